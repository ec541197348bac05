" Vim: scripts of pytrace and bpftrace by their names, or by their first line.
" Made by python -m pytrace.highlighting.
autocmd BufRead,BufNewFile *.pt,*.bt set filetype=pytrace
autocmd BufRead,BufNewFile * if getline(1) =~# '^#!.*\<\%(pytrace\|bpftrace\)\>' | set filetype=pytrace | endif
