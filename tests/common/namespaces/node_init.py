"""What a node starts with: a root of its own, made of the machine's folders, with its disk at `/training`.

`node_init.py ROOT DISK HOSTNAME HOSTS COMMAND...`, in new mount, PID and UTS namespaces. Standard library only.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

_OWN = ("training", "proc", "lost+found")


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def main(root: str, disk: str, hostname: str, hosts: str, *command: str) -> None:
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "tmpfs", root)
    for name in sorted(os.listdir("/")):
        if name in _OWN:
            continue
        source, place = f"/{name}", f"{root}/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), place)
        elif os.path.isdir(source):
            os.mkdir(place)
            mount("--rbind", source, place)
        elif os.path.isfile(source):
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
            mount("--bind", source, place)
    for name in ("training", "proc"):
        os.mkdir(f"{root}/{name}")
    mount("--bind", disk, f"{root}/training")
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--bind", hosts, f"{root}/etc/hosts")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    socket.sethostname(hostname)
    os.chroot(root)
    os.chdir("/")
    os.execv(command[0], command)


main(*sys.argv[1:])
