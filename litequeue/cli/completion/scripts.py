"""The functions that bash, zsh and fish are given: each asks ``answering``, and hands on what that says in its own way.

Owns these texts, and how ours are put into them: whatever stands in a path or in a help text is one quoted word there. They print nothing where the Python, or the package, that wrote
them is gone, and then complete files as if they were not there.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any, Final

from . import answering

_RUN: Final = "import sys; sys.path.append(sys.argv[1]); import answering; answering.main(sys.argv[2:])"

_BASH: Final = r"""# What completes litequeue in bash: eval "$(litequeue completion bash)"
_litequeue() {
    local IFS=$'\n' answer
    COMPREPLY=()
    answer=$(@CALL@ bash @TREE@ "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null) || answer=files
    local kind=${answer%%$'\n'*}
    if [[ $answer == *$'\n'* ]]; then
        local line
        while read -r line; do COMPREPLY+=("$line"); done <<<"${answer#*$'\n'}"
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:=] ]]; then
        compopt -o nospace 2>/dev/null
    elif [[ ${#COMPREPLY[@]} -eq 0 ]]; then
        local path
        case $kind in
            database)
                compopt -o filenames 2>/dev/null
                while read -r path; do
                    case $path in *-wal | *-shm | *-lock | *-locks | *-workers) ;; *) COMPREPLY+=("$path") ;; esac
                done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
                ;;
            files) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")) ;;
            folders)
                compopt -o filenames 2>/dev/null
                COMPREPLY=($(compgen -d -- "${COMP_WORDS[COMP_CWORD]}"))
                ;;
        esac
    fi
    return 0
}

_litequeue_remember() {
    local spec
    spec=$(complete -p "$1" 2>/dev/null) || return 0
    [[ $spec =~ \ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _litequeue_* ]] && _litequeue_before=${BASH_REMATCH[1]}
    return 0
}

_litequeue_of_python() {
    if [[ ${COMP_LINE:0:COMP_POINT} =~ ^[^[:space:]]+[[:space:]]+-m[[:space:]]+litequeue[[:space:]] ]]; then
        _litequeue
        return
    fi
    if [[ -z $_litequeue_before && -z $_litequeue_looked ]]; then
        _litequeue_looked=1
        local loader
        for loader in _comp_load _completion_loader; do
            if declare -F "$loader" >/dev/null; then
                "$loader" "$1" >/dev/null 2>&1
                _litequeue_remember "$1"
                complete -o bashdefault -o default -F _litequeue_of_python "$1"
                break
            fi
        done
    fi
    if [[ -n $_litequeue_before ]]; then
        "$_litequeue_before" "$@"
    else
        COMPREPLY=()
    fi
}

complete -F _litequeue litequeue
for _litequeue_python in @PYTHONS@; do
    _litequeue_remember "$_litequeue_python"
    complete -o bashdefault -o default -F _litequeue_of_python "$_litequeue_python"
done
unset _litequeue_python
"""

_ZSH: Final = r"""#compdef litequeue
# What completes litequeue in zsh: source <(litequeue completion zsh)
_litequeue() {
    local answer kind line
    local -a lines plain shown bare
    answer="$(@CALL@ zsh @TREE@ "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)" || answer=files
    lines=("${(@f)answer}")
    kind=$lines[1]
    shift lines
    for line in $lines; do
        if [[ ${line%%$'\t'*} == *[:=] ]]; then
            bare+=("${line%%$'\t'*}")
        else
            plain+=("${line%%$'\t'*}")
            if [[ $line == *$'\t'* ]]; then
                shown+=("${(r:26:)line%%$'\t'*}  ${line#*$'\t'}")
            else
                shown+=("$line")
            fi
        fi
    done
    (( $#bare )) && compadd -S '' -a bare
    (( $#plain )) && compadd -l -d shown -a plain
    case $kind in
        database) local -a beside=('*-wal' '*-shm' '*-lock' '*-locks' '*-workers'); _files -F beside ;;
        files) _files ;;
        folders) _files -/ ;;
    esac
}

_litequeue_of_python() {
    if [[ $CURRENT -gt 3 && $words[2] == -m && $words[3] == litequeue ]]; then
        _litequeue
    elif autoload +X -Uz _python 2>/dev/null; then
        _python "$@"
    else
        _files
    fi
}

if [[ $funcstack[1] == _litequeue ]]; then
    _litequeue "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _litequeue litequeue
    compdef _litequeue_of_python @PYTHONS@
fi
"""

_FISH: Final = r"""# What completes litequeue in fish: litequeue completion fish | source
function __litequeue_answer
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines (@CALL@ fish @TREE@ $words "$current" 2>/dev/null)
    or set lines files
    switch "$lines[1]"
        case database
            __fish_complete_path "$current" | string match -rv -- '-(wal|shm|lock|locks|workers)/?(\t.*)?$'
        case files
            __fish_complete_path "$current"
        case folders
            __fish_complete_directories "$current" ''
    end
    set -e lines[1]
    printf '%s\n' $lines
end

function __litequeue_of_python
    set -l words (commandline -opc)
    test (count $words) -ge 3; and test "$words[2]" = -m; and test "$words[3]" = litequeue
end

complete -c litequeue -f -a '(__litequeue_answer)'
for python in @PYTHONS@
    complete -c $python -n __litequeue_of_python -f -k -a '(__litequeue_answer)'
end
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str, tree: Mapping[str, Any]) -> str:
    """All of it, to be read by that shell."""
    quoted = _fish if shell == "fish" else shlex.quote
    folder = os.path.dirname(os.path.abspath(answering.__file__))
    call = " ".join(map(quoted, (sys.executable, "-I", "-S", "-c", _RUN, folder)))
    pythons = dict.fromkeys(("python", "python3", os.path.basename(sys.executable)))
    text = SCRIPTS[shell].replace("@PYTHONS@", " ".join(map(quoted, pythons)))
    return text.replace("@CALL@", call).replace("@TREE@", quoted(json.dumps(tree, separators=(",", ":"))))


def _fish(text: str) -> str:
    """Between its single quotes a backslash means something."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
