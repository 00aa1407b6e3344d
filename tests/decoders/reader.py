"""Reads a stream with Python's http.client and zlib and writes what it decodes to standard output, which is
read as slowly as the test likes: python3 reader.py URL [LAST_EVENT_ID]"""

import http.client
import sys
import urllib.parse
import zlib

url = urllib.parse.urlsplit(sys.argv[1])
headers = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
if len(sys.argv) > 2:
    headers["Last-Event-ID"] = sys.argv[2]

connection = http.client.HTTPConnection(url.hostname, url.port)
connection.request("GET", f"{url.path}?{url.query}", headers=headers)
response = connection.getresponse()
encoding = response.headers.get("Content-Encoding", "identity")
out = sys.stdout.buffer
out.write(f"content-encoding: {encoding}\r\n\r\n".encode())

# 31: a gzip member with any window.
gunzip = zlib.decompressobj(31)
while piece := response.read1(65536):
    out.write(gunzip.decompress(piece) if encoding == "gzip" else piece)
    out.flush()
