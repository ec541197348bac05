" Vim syntax file: pytrace (and bpftrace) scripts
" Made from the grammar and the tables by python -m pytrace.highlighting.
if exists("b:current_syntax")
  finish
endif
syn case match
syn iskeyword @,48-57,_
syn match pytraceMapKind /\<\%(percpulruhash\|percpuhash\|lruhash\|hash\)\ze\s*(/
syn match pytraceFunction /\<\%(is_unsigned_integer\|syscall_program\|syscall_waiting\|syscall_attach\|syscall_return\|syscall_signal\|kfunc_allowed\|signal_thread\|socket_cookie\|static_assert\|syscall_entry\|syscall_style\|container_of\|percpu_kaddr\|syscall_exit\|syscall_name\|syscall_rest\|cgroup_path\|kfunc_exist\|signal_name\|strcontains\|assert_str\|is_integer\|is_literal\|pcap_write\|str_concat\|syscall_in\|write_user\|fetch_add\|list_item\|pcap_open\|skboutput\|cgroupid\|is_array\|override\|strerror\|strftime\|has_key\|macaddr\|strncmp\|unwatch\|assert\|debugf\|delete\|errorf\|getopt\|is_err\|is_ptr\|is_str\|memcmp\|printf\|signal\|strcap\|strlen\|strstr\|system\|bswap\|clear\|kaddr\|print\|uaddr\|warnf\|exit\|fail\|find\|join\|kptr\|ksym\|ntop\|path\|pton\|time\|uptr\|usym\|zero\|buf\|cat\|len\|reg\|str\)\ze\s*(/
syn match pytraceAggregate /\<\%(tseries\|count\|lhist\|stats\|hist\|avg\|max\|min\|sum\)\ze\s*(/
syn keyword pytraceControl break continue else for if return unroll while
syn keyword pytraceOperator comptime offsetof sizeof typeinfo typeof
syn keyword pytraceBoolean false true
syn keyword pytraceTag enum struct union
syn keyword pytraceDeclaration config fn import let macro
syn keyword pytraceType avg_t bool buffer cgroup_path_t count_t inet int16 int32 int64 int8 macaddr_t max_t min_t stats_t string sum_t timestamp uavg_t uint16 uint32 uint64 uint8 umax_t umin_t username_t ustats_t usum_t void
syn keyword pytraceValue args cgroup comm cpid cpu ctx curtask default_str_length dw_ustack elapsed func gid has_cpid jiffies kstack leader_comm leader_tid ncpus nsecs numaid pcomm pid ppid probe probetype rand retval tid uid usermode username ustack
syn keyword pytraceSetting cache_user_symbols cpp_demangle lazy_symbolication license log_size max_bpf_progs max_cat_bytes max_map_keys max_probes max_strlen missing_probes on_stack_limit perf_rb_pages print_maps_on_exit probe_inline show_debug_info stack_mode str_trunc_trailer unstable_dw_ustack unstable_import_statement unstable_tseries unstable_typeinfo use_blazesym
syn match pytraceValue /\<arg\d\+\>/
syn match pytraceOperator ;\%(/\_s*{\)\@!\%(\.\.\|<<=\|>>=\|\$#\|\*=\|\^=\|!=\|%=\|&&\|&=\|++\|+=\|--\|-=\|->\|/=\|<<\|<=\|==\|>=\|>>\|\*\|\.\|\^\|\~\||=\|||\|!\|%\|&\|+\|-\|/\|:\|<\|=\|>\|?\||\);
syn match pytraceNumber /\<[0-9][0-9A-Za-z_]*/
syn match pytraceMap /@\%([A-Za-z_][A-Za-z0-9_]*\)\=/
syn match pytraceVariable /\$[A-Za-z_][A-Za-z0-9_]*/
syn match pytraceParameter /\$[0-9]\+\|\$#/
syn match pytraceField /\.\@1<!\%(\.\|->\)\s*[A-Za-z_][A-Za-z0-9_]*/
syn match pytraceEscape contained /\\\%(x\x\{1,2}\|\o\{1,3}\|.\)/
syn match pytraceFormat contained /%\%(%\|[-+ 0#]*\d*\%(\.\d\+\)\=\%(hh\|h\|ll\|l\|j\|z\|t\)\=\a\)/
syn region pytraceString start=/"/ skip=/\\./ end=/"/ end=/$/ contains=pytraceEscape,pytraceFormat
" outside of braces: attach points and the conditions behind them
syn match pytraceProvider /\c\<\%(begin\|end\)\>/
syn region pytracePredicate transparent start=,/, end=,/\ze\_s*{, contains=ALLBUT,@pytraceOutside
syn match pytraceProbe +\c\%([[:alnum:]_:/.]\)\@1<!\%(rawtracepoint\|tracepoint\|watchpoint\|kretprobe\|uretprobe\|hardware\|interval\|kretfunc\|software\|profile\|fentry\|kprobe\|uprobe\|bench\|fexit\|kfunc\|iter\|self\|test\|usdt\|fr\|it\|kr\|rt\|ur\|U\|f\|h\|i\|k\|p\|s\|t\|u\|w\):\%("[^"]*"\|[^[:space:]{,"]\)*+ contains=pytraceProvider
syn match pytraceProvider +\c\%([[:alnum:]_:/.]\)\@1<!\%(rawtracepoint\|tracepoint\|watchpoint\|kretprobe\|uretprobe\|hardware\|interval\|kretfunc\|software\|profile\|fentry\|kprobe\|uprobe\|bench\|fexit\|kfunc\|iter\|self\|test\|usdt\|fr\|it\|kr\|rt\|ur\|U\|f\|h\|i\|k\|p\|s\|t\|u\|w\)\ze:+ contained
syn cluster pytraceOutside contains=pytraceProvider,pytraceProbe,pytracePredicate,pytraceDirective,pytraceFormat,pytraceEscape,pytraceTodo
syn region pytraceBlock transparent start=/{/ end=/}/ contains=ALLBUT,@pytraceOutside
syn match pytraceDirective /^\s*#.*/
syn keyword pytraceTodo contained TODO FIXME XXX
syn region pytraceComment start=,//, end=/$/ contains=pytraceTodo
syn region pytraceComment start=,/\*, end=,\*/, contains=pytraceTodo
syn sync fromstart
hi def link pytraceComment Comment
hi def link pytraceDirective PreProc
hi def link pytraceString String
hi def link pytraceEscape SpecialChar
hi def link pytraceFormat Special
hi def link pytraceNumber Number
hi def link pytraceBoolean Boolean
hi def link pytraceControl Conditional
hi def link pytraceOperator Operator
hi def link pytraceTag StorageClass
hi def link pytraceDeclaration Statement
hi def link pytraceType Type
hi def link pytraceFunction Function
hi def link pytraceAggregate Function
hi def link pytraceValue Constant
hi def link pytraceSetting Constant
hi def link pytraceMapKind Type
hi def link pytraceProvider Keyword
hi def link pytraceProbe Identifier
hi def link pytraceMap Identifier
hi def link pytraceVariable Identifier
hi def link pytraceParameter Special
hi def link pytraceTodo Todo
let b:current_syntax = "pytrace"
