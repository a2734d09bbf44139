# bash completion for netrig: source <(netrig completion bash)
_netrig() {
  local line=${COMP_LINE:0:COMP_POINT} words last prefix
  read -ra words <<<"$line"
  last=${words[-1]}
  if [[ $line == *[[:space:]] ]]; then
    words+=("")
    last=
  fi
  mapfile -t COMPREPLY < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
  # bash takes ":" and "=" for ends of words (COMP_WORDBREAKS), and completes what
  # comes after.
  prefix=${last%"${last##*[:=]}"}
  COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}
complete -o bashdefault -o default -F _netrig netrig
