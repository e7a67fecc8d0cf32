#!/usr/bin/env python3
"""aefm-interfere beside its peers, on this machine, in the same minutes.

Usage: interfere.py PROGRAM [PART...]      parts: cpu membw net memcap overhead kills (default: all)

PROGRAM is a release build of aefm-interfere. Peers that are not installed (Debian: stress-ng, iperf3, mbw) are left
out and named. Everything is measured from outside by the kernel's own counters where it has them: CPU time by
/proc/PID/task/*/schedstat in windows of 100 ms, CPU seconds by wait4. Runs are interleaved, because the machine's other
load changes; the load average stands beside every figure. All load goes to this machine and its loopback.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = ""
WINDOW_S = 0.1


def load():
    return f"load {os.getloadavg()[0]:.1f}"


def have(name):
    if shutil.which(name):
        return True
    print(f"  {name}: not installed, left out")
    return False


def start(command, **options):
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **options)


def family(pid):
    """A process and its children, by the kernel's lists."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    found.extend(int(child) for child in file.read().split())
        except OSError:
            pass
    return found


def cpu_ns(pids):
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                    total += int(file.read().split()[0])
        except OSError:
            pass
    return total


def windows(process, seconds, settle=1.0):
    """Percent of one CPU in windows of 100 ms."""
    time.sleep(settle)
    pids = family(process.pid)
    shares = []
    last, last_ns = time.monotonic(), cpu_ns(pids)
    end = last + seconds
    while last < end:
        time.sleep(WINDOW_S)
        now, now_ns = time.monotonic(), cpu_ns(pids)
        shares.append(100 * (now_ns - last_ns) / 1e9 / (now - last))
        last, last_ns = now, now_ns
    return shares


def stop(process):
    process.terminate()
    try:
        out, _ = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
    return out


def bench_cpu():
    print("cpu: percent of core 0, windows of 100 ms, 5 s each; mean error (points) and sd")
    peers = {"aefm fair": lambda x: [PROGRAM, "cpu", "-i", f"{x}%", "--cores", "0", "-d", "20s"]}
    if have("stress-ng"):
        for name, method in (("stress-ng all", "all"), ("stress-ng int64", "int64")):
            peers[name] = lambda x, method=method: ["taskset", "-c", "0", "stress-ng", "--cpu", "1", "--cpu-load", str(x),
                                                    "--cpu-method", method, "-t", "20s", "-q"]
    for target in (30, 50, 80):
        for name, command in peers.items():
            process = start(command(target))
            shares = windows(process, 5)
            stop(process)
            print(f"  {target:3} % {name:16} error {statistics.mean(shares) - target:+6.2f}  sd {statistics.stdev(shares):6.2f}"
                  f"  windows {min(shares):5.1f}..{max(shares):5.1f}  {load()}")


def summary(command, **options):
    process = start(command + ["--json"], **options)
    out, _ = process.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    return next((line for line in lines if line.get("summary")), None)


def plain_loops(folder):
    """The program of plain loops beside this file, compiled; none where there is no compiler or no such processor."""
    if os.uname().machine != "x86_64" or not have("cc"):
        return None
    program = os.path.join(folder, "memory")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "memory.c")
    subprocess.run(["cc", "-O2", "-pthread", "-o", program, source], check=True)
    return program


def plain(program, what, mib, seconds=3):
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    return float(subprocess.run([program, what, str(mib), str(seconds), *cores], capture_output=True, text=True).stdout)


def bench_membw():
    print("mem_bandwidth: all cores, GB/s (1e9); 3 s each")
    best = {}
    with tempfile.TemporaryDirectory() as folder:
        loops = plain_loops(folder)
        for _ in range(3):
            membw_round(best, loops)
    print("  best of all rounds: " + "  ".join(f"{name} {rate / 1e9:.1f}" for name, rate in best.items()))
    peak = best["read"]
    for share in (30, 60, 90):
        line = summary([PROGRAM, "membw", "-i", f"{share}%", "--peak", str(peak), "-d", "5s"])
        print(f"  held {share:3} % of {peak / 1e9:.1f}: {line['achieved']:.2f} %  saturated {line['saturated']}  {load()}")


def membw_round(best, loops):
    for what in ("read", "store") if loops else ():
        rate = plain(loops, what, 256)
        best[f"plain {what}"] = max(best.get(f"plain {what}", 0), rate * 1e9)
        print(f"  plain loop {what:7} {rate:6.1f}  {load()}")
    for access in ("read", "non_temporal", "copy"):
        line = summary([PROGRAM, "membw", "-i", "100%", "--access", access, "-d", "3s"])
        best[access] = max(best.get(access, 0), line["bytes_per_s"])
        print(f"  aefm {access:13} {line['bytes_per_s'] / 1e9:6.1f}  {load()}")
    if have("stress-ng"):
        cores = len(os.sched_getaffinity(0))
        out = subprocess.run(["stress-ng", "--stream", str(cores), "-t", "5s", "--metrics"], capture_output=True, text=True)
        rows = [line for line in (out.stdout + out.stderr).splitlines() if "memory rate" in line]
        for row in rows:
            print(f"  stress-ng stream x{cores}: {row.split('memory rate')[1].strip(' :')}  {load()}")
    if have("mbw"):
        out = subprocess.run(["mbw", "-n", "5", "-t0", "-q", "256"], capture_output=True, text=True).stdout
        print(f"  mbw memcpy, one thread: {out.strip().splitlines()[-1]}  {load()}")


def cpu_of(command, **options):
    """Output, wall seconds and CPU seconds of a command and its children."""
    before = os.times()
    wall = time.monotonic()
    out = subprocess.run(command, capture_output=True, text=True, **options).stdout
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return out, time.monotonic() - wall, used


def bench_net():
    print("network: TCP over loopback, both ends; 4 s each")
    for rate in ("100%", "1Gbit/s", "5Gbit/s", "10Mbit/s"):
        out, _, used = cpu_of([PROGRAM, "net", "-i", rate, "-d", "4s", "--report", "500ms", "--json"])
        lines = [json.loads(line) for line in out.splitlines()]
        moved = sum(line["bytes_per_s"] for line in lines[:-1]) / max(1, len(lines) - 1) * 4
        mean = lines[-1]["bytes_per_s"]
        print(f"  aefm   {rate:9} {mean * 8 / 1e9:8.4f} Gbit/s  {used / (moved / 1e9):5.2f} CPU s/GB  {load()}")
        if not have("iperf3"):
            continue
        port = str(random.randrange(30_000, 60_000))
        server = start(["iperf3", "-s", "-1", "-p", port])
        time.sleep(0.3)
        asked = [] if rate == "100%" else ["-b", rate.replace("bit/s", "")]
        out, _, used = cpu_of(["iperf3", "-c", "127.0.0.1", "-p", port, "-t", "4", "-J", *asked])
        own = os.times()
        server.wait(timeout=10)
        after = os.times()
        used += after.children_user + after.children_system - own.children_user - own.children_system
        end = json.loads(out)["end"]["sum_received"]
        print(f"  iperf3 {rate:9} {end['bits_per_second'] / 1e9:8.4f} Gbit/s  {used / (end['bytes'] / 1e9):5.2f} CPU s/GB  {load()}")


def bench_memcap():
    print("mem_capacity: 8 GiB, time until resident, then CPU share; beside it a plain memset by a thread a core")
    with tempfile.TemporaryDirectory() as folder:
        loops = plain_loops(folder)
        for _ in range(3):
            if loops:
                print(f"  plain memset {plain(loops, 'fill', 8192):.2f} s  {load()}")
            memcap_round()


def memcap_round():
    began = time.monotonic()
    process = start([PROGRAM, "memcap", "-i", "8GiB", "-d", "40s", "--report", "100ms", "--json"])
    full = None
    for line in process.stdout:
        if json.loads(line)["achieved"] >= 8 * 2**30 * 0.999:
            full = time.monotonic() - began
            break
        if time.monotonic() - began > 30:
            break
    if full:
        shares = windows(process, 5, settle=0.5)
        print(f"  resident after {full:.2f} s, then {statistics.mean(shares):.2f} % of a core  {load()}")
    else:
        print(f"  not resident after 30 s  {load()}")
    process.kill()
    process.wait()


def bench_overhead():
    print("overhead: what a process uses that presses on next to nothing, over 5 s, reporting ten times a second")
    for name, words, retuned in (("cpu 1 %", ["cpu", "-i", "1%", "--cores", "0"], None), ("cpu retuned to 0", ["cpu", "-i", "50%"], 0),
                                 ("memcap 8 MiB", ["memcap", "-i", "8MiB"], None), ("net retuned to 0", ["net", "-i", "1Gbit/s"], 0),
                                 ("net 10 Mbit/s", ["net", "-i", "10Mbit/s"], None)):
        process = start([PROGRAM, *words, "-d", "30s", "--report", "100ms", "--json", "--control"], stdin=subprocess.PIPE)
        if retuned is not None:
            time.sleep(1)
            process.stdin.write(json.dumps({"intensity": retuned}) + "\n")
            process.stdin.flush()
        shares = windows(process, 5)
        with open(f"/proc/{process.pid}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        stop(process)
        print(f"  {name:17} {statistics.mean(shares):6.3f} % of a core, {resident / 1024:5.1f} MiB resident  {load()}")


def bench_kills(rounds=1000):
    print(f"kills: {rounds} random SIGKILLs of any process of a profile of four kinds")
    slowest, mark = 0.0, f"AEFM_BENCH_MARK=kill-{os.getpid()}"

    def marked():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if mark.encode() in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                pass
        return found

    rng = random.Random(7)
    name, value = mark.split("=")
    with tempfile.TemporaryDirectory() as folder:
        profile = os.path.join(folder, "profile.yaml")
        with open(profile, "w") as file:
            file.write("duration: 30s\nreport: 100ms\nstressors:\n- {kind: cpu, cores: '0', intensity: 3%}\n"
                       "- {kind: mem_capacity, intensity: 8MiB}\n- {kind: network, cores: '0', intensity: 1Mbit/s}\n"
                       f"- {{kind: disk, intensity: 20iops, options: {{dir: {folder!r}, file_bytes: 1048576, access: write}}}}\n")
        for _ in range(rounds):
            process = subprocess.Popen([PROGRAM, "run", profile], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, env={**os.environ, name: value})
            time.sleep(rng.random() * 0.08)
            victim = rng.choice(marked() or [process.pid])
            began = time.monotonic()
            try:
                os.kill(victim, 9)
            except ProcessLookupError:
                pass
            while marked():
                time.sleep(0.002)
                if time.monotonic() - began > 30:
                    sys.exit(f"left after 30 s: {marked()}")
            slowest = max(slowest, time.monotonic() - began)
            process.wait()
        left = [entry for entry in os.listdir(folder) if entry != "profile.yaml"]
    print(f"  nothing left after {1000 * slowest:.0f} ms at most; files left: {left or 'none'}  {load()}")


PARTS = {"cpu": bench_cpu, "membw": bench_membw, "net": bench_net, "memcap": bench_memcap, "overhead": bench_overhead,
         "kills": bench_kills}

if __name__ == "__main__":
    if len(sys.argv) < 2 or any(part not in PARTS for part in sys.argv[2:]):
        sys.exit(__doc__)
    PROGRAM = os.path.abspath(sys.argv[1])
    for part in sys.argv[2:] or PARTS:
        PARTS[part]()
