# SPDX-License-Identifier: BSD-2-Clause
"""A client of the bridge that needs no TPM software: it sends the bytes that each protocol has.

    bridge-client.py CASE PLACE...    PLACE is a path of a Unix socket, or ADDRESS:PORT

Prints `good` at the end.
"""
import array
import os
import signal
import socket
import struct
import sys

GET_RANDOM = struct.pack(">HIIH", 0x8001, 12, 0x17B, 8)
# Of PCR 20, which localities 2 and up may reset, with an empty password.
PCR_RESET_20 = struct.pack(">HIIIIIHBH", 0x8002, 27, 0x13D, 20, 9, 0x40000009, 0, 0, 0)
SUCCESS, LOCALITY, COMMAND_SIZE = 0, 0x907, 0x142
LIMIT = 60  # seconds of silence, after which the test has failed


def connect(place):
    if place.startswith("/"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(place)  # waits while there is no room in the queue
        client.settimeout(LIMIT)
        return client
    host, port = place.rsplit(":", 1)
    return socket.create_connection((host, int(port)), LIMIT)


def receive(client, size):
    got = b""
    while len(got) < size:
        more = client.recv(size - len(got))
        assert more, f"closed after {len(got)} of {size} bytes"
        got += more
    return got


def closed(client):
    """Whether the bridge closes the connection; what comes before is dropped."""
    try:
        while client.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def response(client):
    head = receive(client, 10)
    size, code = struct.unpack(">II", head[2:])
    return code, receive(client, size - 10)


def transact(client, command=GET_RANDOM):
    client.sendall(command)
    return response(client)


def mssim(client, command=GET_RANDOM, locality=0):
    client.sendall(struct.pack(">IBI", 8, locality, len(command)) + command)
    size, = struct.unpack(">I", receive(client, 4))
    answer = receive(client, size)
    assert receive(client, 4) == bytes(4)
    assert struct.unpack(">I", answer[2:6]) == (size,)
    return struct.unpack(">I", answer[6:10])[0]


def control(client, code, body=b"", size=4):
    client.sendall(struct.pack(">I", code) + body)
    return receive(client, size)


def random_is_good(answer):
    code, body = answer
    return code == SUCCESS and len(body) == 10 and any(body[2:])


def case_raw(place):
    client = connect(place)
    assert random_is_good(transact(client))
    # Several at once, and in pieces; a half-closed connection gets its answers.
    client.sendall(GET_RANDOM * 40)
    assert all(random_is_good(response(client)) for _ in range(40))
    for byte in GET_RANDOM:
        client.sendall(bytes([byte]))
    assert random_is_good(response(client))
    client.sendall(GET_RANDOM)
    client.shutdown(socket.SHUT_WR)
    assert random_is_good(response(client))
    assert closed(client)


def case_bounds(place):
    """Sizes out of bounds end the connection that has them, and no other."""
    other = connect(place)
    assert random_is_good(transact(other))
    for size in (0, 9, 4097, 0xFFFFFFFF):
        client = connect(place)
        client.sendall(struct.pack(">HII", 0x8001, size, 0x17B))
        assert closed(client)
        assert random_is_good(transact(other))
    # The largest one that there may be is for the TPM to refuse.
    client = connect(place)
    code, _ = transact(client, struct.pack(">HII", 0x8001, 4096, 0x17B) + bytes(4086))
    assert code not in (SUCCESS, None), hex(code)
    assert random_is_good(transact(client))


def case_rude(place):
    """Who sends half a command, reads nothing, or dies, delays nobody."""
    half = connect(place)
    half.sendall(GET_RANDOM[:7])
    deaf = connect(place)
    deaf.setblocking(False)
    try:
        while True:
            deaf.send(GET_RANDOM * 300)
    except BlockingIOError:
        pass
    child = os.fork()
    if child == 0:
        client = connect(place)
        client.sendall(GET_RANDOM * 10)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    client = connect(place)
    assert all(random_is_good(transact(client)) for _ in range(20))
    half.sendall(GET_RANDOM[7:])
    assert random_is_good(response(half))


def case_crowd(place):
    """More connections than are served at a time: the others wait for room."""
    crowd = [connect(place) for _ in range(90)]
    for client in crowd:
        client.sendall(GET_RANDOM)
    for client in crowd[:64]:
        assert len(client.recv(1, socket.MSG_PEEK)) == 1
    for client in crowd:
        assert random_is_good(response(client))
        client.close()


def case_mssim(place, platform):
    """What Microsoft's own clients send, and IBM's, and that the TPM stays what it was."""
    client, signals = connect(place), connect(platform)
    version = receive_after(client, struct.pack(">II", 15, 1), 12)
    assert version == struct.pack(">III", 1, 3, 0), version
    assert mssim(client) == SUCCESS
    for code in (1, 11, 13, 14, 3, 4, 9, 10, 5, 7, 17, 18, 12, 2, 30):
        assert receive_after(signals, struct.pack(">I", code), 4) == bytes(4), code
    assert receive_after(signals, struct.pack(">II", 6, 5) + b"bytes", 4) == bytes(4)
    assert receive_after(signals, struct.pack(">II", 26, 0x40000110), 8) == bytes(8)
    assert receive_after(client, struct.pack(">II", 16, 0), 4) == bytes(4)
    assert mssim(client) == SUCCESS
    # A size that disagrees with the command's own, and a locality that nobody may have.
    assert mssim(client, GET_RANDOM + b"x") == COMMAND_SIZE
    assert mssim(client, b"") == COMMAND_SIZE
    assert mssim(client, locality=3) == LOCALITY
    assert mssim(client, locality=200) == LOCALITY
    assert mssim(client) == SUCCESS
    for goodbye in (20, 21):
        client.sendall(struct.pack(">I", goodbye))
        assert closed(client)
        client = connect(place)
        assert mssim(client) == SUCCESS
    for bad in (struct.pack(">I", 99), struct.pack(">IBI", 8, 0, 4097), struct.pack(">II", 6, 4097)):
        client = connect(place)
        client.sendall(bad)
        assert closed(client)
    assert receive_after(signals, struct.pack(">I", 1), 4) == bytes(4)


def receive_after(client, request, size):
    client.sendall(request)
    return receive(client, size)


def case_locality(place, second):
    """Locality 2, which is root's, is in force for the commands that have it."""
    client = connect(place)
    assert mssim(client, PCR_RESET_20, 2) == SUCCESS
    assert mssim(client, PCR_RESET_20, 0) == LOCALITY
    assert mssim(client, PCR_RESET_20, 2) == SUCCESS
    assert second


def case_swtpm(place, channel):
    """What swtpm's clients send, QEMU among them."""
    client, orders = connect(place), connect(channel)
    result, capabilities = struct.unpack(">II", control(orders, 1, size=8))
    # QEMU's needs for a TPM 2.0, and the channel that it makes.
    for bit in (0, 1, 2, 3, 7, 10, 12, 13):
        assert result == SUCCESS and capabilities & 1 << bit, bit
    for code, body in ((2, bytes(4)), (3, b""), (9, b""), (10, b""), (11, b"\0"), (14, b"")):
        assert control(orders, code, body) == bytes(4), code
    assert control(orders, 4, size=8) == bytes(8)
    assert control(orders, 15, size=8) == bytes(8)
    assert control(orders, 17, bytes(4), 16) == struct.pack(">IIII", 0, 4096, 4096, 4096)
    for unknown in (6, 12, 18, 77):
        assert control(orders, unknown) == struct.pack(">I", 0x0A), unknown
    assert random_is_good(transact(client))
    # QEMU sends the union that a locality is a part of.
    assert control(orders, 5, b"\2\0\0\0") == bytes(4)
    assert transact(client, PCR_RESET_20)[0] == SUCCESS
    assert control(orders, 5, b"\3") == struct.pack(">I", 0x3D)
    assert transact(client, PCR_RESET_20)[0] == SUCCESS
    assert control(orders, 5, b"\0") == bytes(4)
    assert transact(client, PCR_RESET_20)[0] == LOCALITY


def case_qemu(channel):
    """The channel for commands is one end of a pair that comes over the control channel."""
    orders = connect(channel)
    assert control(orders, 16) == struct.pack(">I", 0x0A)
    own, other = socket.socketpair()
    own.settimeout(LIMIT)
    orders.sendmsg([struct.pack(">I", 16)],
                   [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [other.fileno()]))])
    other.close()
    assert receive(orders, 4) == bytes(4)
    assert random_is_good(transact(own))
    assert control(orders, 5, b"\2\0\0\0") == bytes(4)
    assert transact(own, PCR_RESET_20)[0] == SUCCESS
    # It is the locality of this channel alone.
    second = connect(channel)
    one, two = socket.socketpair()
    one.settimeout(LIMIT)
    second.sendmsg([struct.pack(">I", 16)],
                   [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [two.fileno()]))])
    two.close()
    assert receive(second, 4) == bytes(4)
    assert transact(one, PCR_RESET_20)[0] == LOCALITY
    own.close()
    assert control(orders, 5, b"\0") == bytes(4)
    assert random_is_good(transact(one))


if __name__ == "__main__":
    globals()["case_" + sys.argv[1]](*sys.argv[2:])
    print("good")
