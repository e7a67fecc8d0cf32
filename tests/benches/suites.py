#!/usr/bin/env python3
"""What other projects' suites expect of a client, tried on a release binary: llhttp's answers, curl's plain HTTP replies,
hyper's client tests and h2spec's client cases.

    suites.py AEFM-LOAD [--llhttp DIR] [--curl DIR] [--hyper DIR] [--h2specd PROGRAM]

Each DIR is a checkout, each PROGRAM a binary; nothing of them is part of this project. A raw server sends the bytes of a
case to one request; what the program makes of them is compared with what the suite says. The table of results goes to
standard output, each difference in a line below it. Differences that the suites' purposes explain stand in EXPLAINED.
Ends with 1 if there is any other."""
import argparse, json, pathlib, re, socket, subprocess, sys, threading

OK, ERROR, MORE = 'ok', 'error', 'more'
# What a suite expects and we do not do, or the other way round, by suite and beginning of the case's name, and why.
EXPLAINED = {
    ('llhttp', 'connection: HTTP 101'): 'no request of ours asks for another protocol',
    ('llhttp', 'sample: RTSP'): 'HTTP/1.0 and 1.1 are spoken, and nothing else',
    ('llhttp', 'sample: ICE'): 'HTTP/1.0 and 1.1 are spoken, and nothing else',
    ('llhttp', 'sample: HTTP version 0.9'): 'HTTP/1.0 and 1.1 are spoken, and nothing else',
    ('llhttp', 'connection: HTTP 103 first'): 'its answer is shorter than announced; a parser alone need not mind',
    ('llhttp', 'content-length: '): 'its answer is shorter than announced; a parser alone need not mind',
    ('llhttp', 'sample: Google 301'): 'its answer is shorter than announced; a parser alone need not mind',
    ('llhttp', 'transfer-encoding: Chunk extensions quoting'): 'its answer is not finished; a parser alone need not mind',
    ('llhttp', 'invalid: Only LFs'): 'RFC 9112, section 2.2: a recipient may take a bare LF as a line end',
    ('llhttp', 'sample: No carriage ret'): 'RFC 9112, section 2.2: a recipient may take a bare LF as a line end',
    ('llhttp', 'transfer-encoding: Trailing space'): 'blanks behind a chunk size are usual, and other clients take them',
    ('llhttp', 'transfer-encoding: No '): 'extensions of chunks are skipped, not read',
    ('curl', 'test395:'): 'a length beyond 2^64 is no length',
    ('curl', 'test580:'): 'redirects are not followed',
    ('curl', 'test772:'): 'redirects are not followed',
    ('curl', 'test1473:'): 'RFC 9112, section 2.2: a blank behind the first line may be refused',
    ('curl', 'test1591:'): 'its request asks for 100-continue, ours does not',
    ('curl', 'test1598:'): 'its request asks for 100-continue, ours does not',
    ('curl', 'test3034:'): 'it is about sending a body again',
    ('curl', 'test3025:'): 'an option of the library',
    ('hyper', 'client_error_parse_status_out_of_range'): 'RFC 9110, section 15: a status that is none counts as 5xx',
}


class Server:
    """Answers the first request of each connection with these bytes and closes its side, or keeps the connection."""

    def __init__(self, data, close):
        self.data, self.close_after = data, close
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                link, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        with link:
            try:
                head = b''
                while b'\r\n\r\n' not in head:
                    piece = link.recv(65536)
                    if not piece:
                        return
                    head += piece
                link.sendall(self.data)
                if self.close_after:
                    link.shutdown(socket.SHUT_WR)
                link.settimeout(3)
                while link.recv(65536):
                    pass
            except OSError:
                pass

    def end(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


def outcome(program, data, close, method='GET'):
    """How one request ended that was answered with these bytes: (ok, error or more, words)."""
    server = Server(data, close)
    command = [program, '-R', '20', '--requests', '1', '-c', '1', '-t', '1', '-T', '400ms', '-q', '--json',
               '-m', method, f'http://127.0.0.1:{server.port}/']
    ran = subprocess.run(command, capture_output=True, timeout=30)
    server.end()
    told = json.loads(ran.stdout)
    ended = [name for name, count in told['outcomes'].items() if count]
    words = f"{ended[0]} {list(told['status'])} {list(told['faults'])}"
    if ended[0] in ('ok', 'http_4xx', 'http_5xx'):
        return OK, words
    return (MORE if ended[0] in ('timeout', 'unfinished') else ERROR), words


def llhttp(folder):
    """Cases of test/response: input and log. An error in the log is one of the answer's only if it comes before the
    answer is complete; an answer that is not complete needs the connection's end."""
    for path in sorted(pathlib.Path(folder, 'test/response').glob('*.md')):
        if path.stem.startswith('lenient') or path.stem == 'pausing':
            continue
        text = path.read_text()
        for part in re.split(r'^#{2,} ', text, flags=re.M)[1:]:
            name = part.splitlines()[0]
            meta = re.search(r'<!-- meta=(\{.*?\}) -->', part)
            blocks = re.search(r'```http\n(.*?)```.*?```log\n(.*?)```', part, re.S)
            if not meta or not blocks or json.loads(meta[1]).get('type') != 'response':
                continue
            data = blocks[1].removesuffix('\n')
            data = re.sub(r'\\\n', '', data).replace('\n', '\r\n')
            for escape, byte in (('\\r', '\r'), ('\\n', '\n'), ('\\t', '\t'), ('\\f', '\f')):
                data = data.replace(escape, byte)
            data = re.sub(r'\\x([0-9a-fA-F]+)', lambda hit: chr(int(hit[1], 16)), data)
            if '${' in data:
                continue
            log = blocks[2]
            error = re.search(r'error code=(?!2[123]\b)\d+', log)
            complete = log.find('message complete')
            if error and (complete < 0 or error.start() < complete):
                expected = ERROR
            else:
                expected = OK
            yield f'{path.stem}: {name}', data.encode('latin1', 'replace'), True, 'GET', expected


def curl(folder):
    """Plain HTTP replies: one GET or HEAD of one URL, no other option that changes what is read."""
    plain = re.compile(r'^(?:(?:-i|-I|--head|--include|-s|--show-error|--write-out .*|-w .*)\s+)*'
                       r'"?http://%HOSTIP:%HTTPPORT/\S*"?(?:\s+(?:-i|-I|--head|--include|-w .*|--write-out .*))*$')
    # Errors of curl's that are about an answer.
    about_answers = {0: OK, 1: ERROR, 8: ERROR, 18: ERROR, 43: ERROR, 52: ERROR, 56: ERROR}
    for path in sorted(pathlib.Path(folder, 'tests/data').glob('test[0-9]*'), key=lambda path: int(path.name[4:])):
        text = path.read_text('latin1')
        section = lambda name: re.search(rf'<{name}( [^>]*)?>\n(.*?)</{name}>', text, re.S)
        servers, command, data = section('server'), section('command'), section('data')
        if not servers or servers[2].split() != ['http'] or not command or not data or '%if' in text:
            continue
        typed = ' '.join(command[2].split())
        if command[1] or not plain.match(typed) or section('servercmd') or 'base64' in (data[1] or ''):
            continue
        body = data[2]
        if re.search(r'%(?!CR|TESTNUMBER|HOSTIP|HTTPPORT|hex|repeat|spc|tab)[A-Za-z]+', body):
            continue
        body = body.replace('%CR', '\r').replace('%TESTNUMBER', path.name[4:]).replace('%HOSTIP', '127.0.0.1')
        body = body.replace('%HTTPPORT', '80').replace('%spc%', ' ').replace('%tab%', '\t')
        body = re.sub(r'%hex\[(.*?)\]hex%', lambda hit: re.sub('%([0-9a-fA-F]{2})', lambda byte: chr(int(byte[1], 16)), hit[1]), body)
        body = re.sub(r'%repeat\[(\d+) x (.*?)\]%', lambda hit: re.sub('%([0-9a-fA-F]{2})', lambda byte: chr(int(byte[1], 16)), hit[2]) * int(hit[1]), body)
        if 'crlf="yes"' in (data[1] or ''):
            body = body.replace('\r\n', '\n').replace('\n', '\r\n')
        elif 'crlf="headers"' in (data[1] or ''):
            head, end, rest = body.partition('\n\n')
            body = head.replace('\n', '\r\n') + end.replace('\n', '\r\n') + rest
        if 'nonewline="yes"' in (data[1] or ''):
            body = body.removesuffix('\n')
        code = section('errorcode')
        code = int(code[2].split()[0].split(',')[0]) if code else 0
        if code not in about_answers:
            continue
        method = 'HEAD' if re.search(r'(^| )(-I|--head)( |$)', typed) else 'GET'
        title = ' '.join((section('name') or [0, 0, ''])[2].split())
        # The suite's server closes the connection where the reply says so, or does not say how long it is.
        yield f'{path.name}: {title}', body.encode('latin1'), True, method, about_answers[code]


def rust_text(literal):
    text = re.sub(r'\\\n\s*', '', literal)
    return text.replace('\\r', '\r').replace('\\n', '\n').replace('\\"', '"').replace('\\0', '\0').replace('\\t', '\t')


def hyper(folder):
    """The macro `test!` of tests/client.rs: what the server replies, and whether the client is to fail."""
    text = pathlib.Path(folder, 'tests/client.rs').read_text()
    constants = {name: rust_text(value) for name, value in re.findall(r'const (\w+): &str =\s*"(.*?)";', text, re.S)}
    for part in re.split(r'^test! \{', text, flags=re.M)[1:]:
        part = part[:part.index('\n}\n')]
        name = re.search(r'name: (\w+)', part)[1]
        reply = re.search(r'reply:\s*(?:"((?:[^"\\]|\\.)*)"|(\w+)),', part, re.S)
        if not reply:
            continue
        data = rust_text(reply[1]) if reply[1] is not None else constants.get(reply[2])
        method = re.search(r'method: (\w+)', part)
        method = method[1] if method else 'GET'
        if data is None or method not in ('GET', 'HEAD', 'POST', 'PUT', 'DELETE') or 'http09' in part:
            continue
        data = data.replace('{{', '{').replace('}}', '}')
        yield name, data.encode('latin1'), True, method, ERROR if re.search(r'^\s*error:', part, re.M) else OK


def h2spec(program, h2specd):
    """Runs h2specd, which starts the client once a case, and looks at what comes after its first request, too: the program's exit code does not count there."""
    client = f'{program} --http2 -R 10 -d 400ms -c 1 -t 1 -T 1s --connect-timeout 1s -q'
    ran = subprocess.run([h2specd, '--timeout', '3', '--exec', client], capture_output=True, text=True, timeout=900)
    return re.sub('\x1b\\[[0-9;]*m', '', ran.stdout + ran.stderr)


def explained(suite, name):
    return next((why for (own, start), why in EXPLAINED.items() if own == suite and name.startswith(start)), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('program')
    for suite in ('llhttp', 'curl', 'hyper', 'h2specd'):
        parser.add_argument(f'--{suite}')
    parser.add_argument('--only', default='', help='cases whose name has this in it')
    args = parser.parse_args()
    rows, lines, unexplained = [], [], 0
    for suite, cases in (('llhttp', llhttp), ('curl', curl), ('hyper', hyper)):
        if not getattr(args, suite):
            continue
        count = same = 0
        for name, data, close, method, expected in cases(getattr(args, suite)):
            if args.only not in name:
                continue
            got, words = outcome(args.program, data, close, method)
            count += 1
            if got == expected:
                same += 1
                continue
            why = explained(suite, name)
            unexplained += why is None
            lines.append(f'{suite} {name}: expected {expected}, got {got} ({words}){"" if why is None else ": " + why}')
        rows.append((suite, count, same))
    if args.h2specd:
        text = h2spec(args.program, args.h2specd)
        total = re.search(r'(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed', text)
        if not total:
            sys.exit(f'h2specd told no result:\n{text}')
        rows.append(('h2spec', int(total[1]), int(total[2])))
        unexplained += int(total[4])
        lines.extend(line for line in text.splitlines() if '×' in line)
    print('| suite | cases | as expected |\n| --- | --- | --- |')
    for row in rows:
        print('| {} | {} | {} |'.format(*row))
    print(*lines, sep='\n')
    sys.exit(unexplained > 0)


if __name__ == '__main__':
    main()
