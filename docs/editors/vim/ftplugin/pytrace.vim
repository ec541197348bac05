" Vim: how scripts of pytrace and bpftrace are written.  Made by python -m pytrace.highlighting.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=//\ %s comments=s1:/*,mb:*,ex:*/,:// shiftwidth=2 expandtab
let b:undo_ftplugin = "setlocal commentstring< comments< shiftwidth< expandtab<"
