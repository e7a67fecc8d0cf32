#!/usr/bin/env python3
"""aefm-load beside its peers, on this machine, in the same minutes.

Usage: load.py PROGRAM [--wrk2 PATH] [--oha PATH] [--pairs N] [PART...]
parts: closed h2 paced peak workers contents memory (default: all but memory)

PROGRAM is a release build of aefm-load. nginx (Debian: nginx-light), on core 0, is the server; clients run on core 1, one
after the other, round after round, since the machine's other load changes. Its buffer takes any of the requests at once: with
nginx's own of 1 KiB a longer one would cost it a second read. wrk and h2load come from Debian (wrk,
nghttp2-client), oha from crates.io, wrk2 from its public repository; a peer that is not there is left out and named.
CPU per request is user and system time by wait4 over the requests that were answered.
"""

import argparse
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

PORT, PORT_H2C = 18080, 18082
URL, URL_H2C = f"http://127.0.0.1:{PORT}/", f"http://127.0.0.1:{PORT_H2C}/"
SERVER_CORE, CLIENT_CORE = "0", "1"
SECONDS = 2

NGINX = """
worker_processes {workers}; daemon off; pid {folder}/pid; error_log {folder}/error crit; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; client_header_buffer_size 8k; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
    server {{ listen 127.0.0.1:{port_h2c} http2; location / {{ return 200 "hello"; }} }}
}}
"""


class Server:
    """nginx, for as long as a `with` lasts."""

    def __init__(self, cores=SERVER_CORE, workers=1):
        self.cores, self.workers = cores, workers

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        text = NGINX.format(folder=self.folder.name, port=PORT, port_h2c=PORT_H2C, workers=self.workers)
        path = os.path.join(self.folder.name, "nginx.conf")
        with open(path, "w") as file:
            file.write(text)
        self.process = subprocess.Popen(["taskset", "-c", self.cores, "nginx", "-c", path, "-p", self.folder.name],
                                        stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                urllib.request.urlopen(URL, timeout=1).read()
                return self
            except OSError:
                time.sleep(0.02)
        raise SystemExit("nginx does not answer: is it installed, and are ports 18080 and 18082 free?")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def run(command, cores=CLIENT_CORE):
    """Runs a client; its output, its CPU seconds, its peak RSS in MiB."""
    process = subprocess.Popen(["taskset", "-c", cores, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return output, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def answered_wrk(output):
    return int(re.search(r"(\d+) requests in", output)[1])


def answered_h2load(output):
    return int(re.search(r"(\d+) succeeded", output)[1])


def answered_oha(output):
    return sum(json.loads(output)["statusCodeDistribution"].values())


def answered_ours(output):
    return json.loads(output)["outcomes"]["ok"]


def closed_clients(tools):
    """Name -> (command, how many requests it answered), 64 connections, one thread."""
    common = ["-t1", "-c64", f"-d{SECONDS}s"]
    return present(tools, {
        "aefm-load": ([tools.program, *common, "-R", "max", "-q", "--json", URL], answered_ours),
        "wrk2": ([tools.wrk2, *common, "-R1000000", URL], answered_wrk),
        "wrk": (["wrk", *common, URL], answered_wrk),
        "h2load (h1)": (["h2load", "--h1", "-t1", "-c64", "-D", str(SECONDS), URL], answered_h2load),
        "oha": ([tools.oha, "-z", f"{SECONDS}s", "-c64", "--no-tui", "--output-format", "json", URL], answered_oha),
    })


def h2_clients(tools, connections, streams):
    return present(tools, {
        "aefm-load": ([tools.program, "-t1", f"-c{connections}", f"-d{SECONDS}s", "-R", "max", "--http2", "--streams", str(streams),
                       "-q", "--json", URL_H2C], answered_ours),
        "h2load": (["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", str(SECONDS), URL_H2C], answered_h2load),
    })


def present(tools, clients):
    found = {}
    for name, (command, answered) in clients.items():
        if shutil.which(command[0]):
            found[name] = (command, answered)
        else:
            tools.missing.add(f"{name} ({command[0]})")
    return found


def interval(ratios):
    """Median and its 95 % interval by bootstrap."""
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(4000))
    return statistics.median(ratios), medians[100], medians[3899]


def rounds(clients, count, base):
    """Interleaved rounds: CPU ns per request and rate of each client, and the ratio to `base` in the same round."""
    cpu, rate = {name: [] for name in clients}, {name: [] for name in clients}
    for number in range(count):
        names = list(clients)
        random.Random(number).shuffle(names)
        for name in names:
            command, answered = clients[name]
            output, cpu_s, _ = run(command)
            requests = answered(output)
            cpu[name].append(1e9 * cpu_s / requests)
            rate[name].append(requests / SECONDS)
    print(f"  | client | answers/s | CPU ns/request | of {base}'s, median of {count} pairs (95 %) |\n  | --- | --- | --- | --- |")
    for name in clients:
        median, low, high = interval([ours / theirs for ours, theirs in zip(cpu[name], cpu[base])])
        print(f"  | {name} | {statistics.median(rate[name]):,.0f} | {statistics.median(cpu[name]):,.0f} |"
              f" {median:.3f} ({low:.3f}-{high:.3f}) |", flush=True)
    return statistics.median(rate["aefm-load"])


def closed(tools):
    print("closed: 64 connections, one worker, HTTP/1.1")
    with Server():
        clients = closed_clients(tools)
        rounds(clients, tools.pairs, "wrk2" if "wrk2" in clients else "wrk")


def h2(tools):
    for connections, streams in ((64, 1), (8, 16)):
        print(f"h2: {connections} connections of {streams} streams, one worker, h2c")
        with Server():
            rounds(h2_clients(tools, connections, streams), tools.pairs, "h2load")


def ours(tools, arguments, cores=CLIENT_CORE):
    output, cpu_s, rss_mib = run([tools.program, *arguments, "-q", "--json", URL], cores)
    return json.loads(output), cpu_s, rss_mib


def ms(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def paced(tools):
    """Send lag, and the response times that each client reports of the same server at a constant rate."""
    print("paced: constant rate, 50 connections, one worker, 3 s each, medians of 5 rounds; ms, lag in us")
    print("  | asked | client | achieved | p50 | p99 | p99.9 | lag p50 | lag p99 | cores |\n  |" + " --- |" * 9)
    with Server():
        for rate in (10_000, 30_000):
            rows = {}
            for _ in range(5):
                for name, pace in (("aefm-load", "timer"), ("aefm-load --pace spin", "spin")):
                    report, cpu_s, _ = ours(tools, ["-t1", "-c50", "-d3s", f"-R{rate}", "--pace", pace])
                    times, lag = report["response_time_us"], report["send_lag_us"]
                    rows.setdefault(name, []).append((report["outcomes"]["ok"] / 3, times["p50"] / 1e3, times["p99"] / 1e3,
                                                      times["p99.9"] / 1e3, lag["p50"], lag["p99"], cpu_s / 3))
                if shutil.which(tools.wrk2):
                    output, cpu_s, _ = run([tools.wrk2, "-t1", "-c50", "-d3s", f"-R{rate}", "--latency", URL])
                    at = {p: ms(value) for p, value in re.findall(r"^ +([\d.]+)% +([\d.]+\w+)$", output, re.M)}
                    rows.setdefault("wrk2", []).append((answered_wrk(output) / 3, at["50.000"], at["99.000"], at["99.900"],
                                                        float("nan"), float("nan"), cpu_s / 3))
                if shutil.which(tools.oha):
                    output, cpu_s, _ = run([tools.oha, "-z", "3s", "-c50", f"-q{rate}", "--latency-correction", "--no-tui",
                                            "--output-format", "json", URL])
                    report = json.loads(output)
                    at = report["latencyPercentiles"]
                    rows.setdefault("oha", []).append((answered_oha(output) / 3, at["p50"] * 1e3, at["p99"] * 1e3, at["p99.9"] * 1e3,
                                                       float("nan"), float("nan"), cpu_s / 3))
            for name, values in rows.items():
                m = [statistics.median(column) for column in zip(*values)]
                print(f"  | {rate:,} | {name} | {m[0]:,.0f} | {m[1]:.3f} | {m[2]:.2f} | {m[3]:.2f} | {m[4]:.0f} | {m[5]:.0f} | {m[6]:.2f} |",
                      flush=True)


def peak(tools):
    """How near the constant-rate mode comes to what the closed loop reaches."""
    print("peak: 64 connections, one worker: closed loop, then the same rate asked for in the open loop, 5 rounds of 2 x 3 s")
    ratios = []
    with Server():
        for _ in range(5):
            top = ours(tools, ["-t1", "-c64", "-d3s", "-R", "max"])[0]["outcomes"]["ok"] / 3
            paced_rate = ours(tools, ["-t1", "-c64", "-d3s", f"-R{top:.0f}"])[0]["outcomes"]["ok"] / 3
            ratios.append(paced_rate / top)
            print(f"  closed {top:,.0f}/s, open {paced_rate:,.0f}/s: {ratios[-1]:.3f}", flush=True)
    print(f"  median {statistics.median(ratios):.3f}")


def workers(tools):
    """One worker and two share cores with the server, so CPU per request is what tells."""
    print("workers: CPU ns per request, closed loop, 64 connections, both cores for client and server, 7 rounds")
    cpu = {1: [], 2: []}
    with Server(cores="0,1", workers=2):
        for _ in range(7):
            for count in cpu:
                report, cpu_s, _ = ours(tools, [f"-t{count}", "-c64", "-d2s", "-R", "max"], cores="0,1")
                cpu[count].append(1e9 * cpu_s / report["outcomes"]["ok"])
    one, two = (statistics.median(values) for values in cpu.values())
    print(f"  one worker {one:,.0f}, two {two:,.0f}: {two / one:.3f}")


LOOKUP = """
local requests, last = {}, 0
function init() for k = 1, 1000 do requests[k] = wrk.format("GET", "/" .. k) end end
function request() last = last % 1000 + 1; return requests[last] end
"""


def first_request(command):
    """What the client sends first, as (method, path, body)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen([*command, "-q", f"http://127.0.0.1:{server.getsockname()[1]}/"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        with server.accept()[0].makefile("rwb") as stream:
            method, path, _ = stream.readline().decode().split()
            fields = dict(line.decode().lower().split(": ") for line in iter(lambda: stream.readline().strip(), b""))
            body = stream.read(int(fields.get("content-length", 0)))
            stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            stream.flush()
            process.wait()
    return method, path, body


def contents(tools):
    """What drawing each request costs: native workloads and a Lua look-up beside a static request of the same shape."""
    print(f"contents: closed loop, 64 connections, one worker; to the same request sent again and again, {tools.pairs} pairs")
    print("  | requests | bytes of body | rate (95 %) | CPU per request (95 %) |\n  | --- | --- | --- | --- |")
    listed = subprocess.run([tools.program, "workloads", "--json"], capture_output=True, text=True, check=True).stdout
    common = ["-t1", "-c64", f"-d{SECONDS}s", "-R", "max", "-q", "--json"]
    with Server(), tempfile.TemporaryDirectory() as folder:
        script, sample = os.path.join(folder, "lookup.lua"), os.path.join(folder, "body")
        with open(script, "w") as file:
            file.write(LOOKUP)
        names = [(one["name"], ["-w", one["name"]]) for one in json.loads(listed)]
        for name, drawn in [*names, ("Lua request() that looks a string up", ["-s", script])]:
            method, path, body = first_request([tools.program, *drawn, "-t1", "-c1", "-d2s", "-R1", "--requests", "1"])
            with open(sample, "wb") as file:
                file.write(body)
            fixed = ["-m", method, "-H", "Content-Type: application/json", *(["--body-file", sample] if body else [])]
            rates, cpu = [], []
            for _ in range(tools.pairs):
                pair = {}
                for kind, command in random.sample([("drawn", [*drawn, URL]), ("fixed", [*fixed, URL[:-1] + path])], 2):
                    output, cpu_s, _ = run([tools.program, *common, *command])
                    pair[kind] = (answered_ours(output) / SECONDS, cpu_s / answered_ours(output))
                rates.append(pair["drawn"][0] / pair["fixed"][0])
                cpu.append(pair["drawn"][1] / pair["fixed"][1])
            shown = ["{:.3f} ({:.3f}-{:.3f})".format(*interval(ratios)) for ratios in (rates, cpu)]
            print(f"  | {name} | {len(body)} | {shown[0]} | {shown[1]} |", flush=True)


def memory(tools):
    """Default options, 10^7 and 10^8 requests: the closed loop, as fast as it goes."""
    with Server():
        for requests in (10**7, 10**8):
            began = time.monotonic()
            report, _, rss_mib = ours(tools, ["-t1", "-c64", "-d1h", "-R", "max", "--requests", str(requests)])
            print(f"memory: {report['outcomes']['ok']:,} answered in {time.monotonic() - began:.0f} s, peak RSS {rss_mib:.1f} MiB", flush=True)


def main():
    parts = {part.__name__: part for part in (closed, h2, paced, peak, workers, contents, memory)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--wrk2", default="wrk2")
    parser.add_argument("--oha", default="oha")
    parser.add_argument("--pairs", type=int, default=15)
    tools = parser.parse_intermixed_args()
    if unknown := set(tools.parts) - set(parts):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(parts)}")
    tools.missing = set()
    print(f"{os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for part in tools.parts or [name for name in parts if name != "memory"]:
        parts[part](tools)
        print(f"  (load {os.getloadavg()[0]:.1f})")
    if tools.missing:
        print("left out, not installed: " + ", ".join(sorted(tools.missing)))


if __name__ == "__main__":
    sys.exit(main())
