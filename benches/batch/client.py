"""Sends messages to a batch map server and waits for every batch: `client.py SOCKET MESSAGES BATCH PAYLOADS`.

Prints the seconds that it took and the sum of the counts. Requests are made beforehand, so that little but the server's
work is between the two clocks.
"""

import sys
import time

import grpc
from pynumaflow.proto.mapper import map_pb2, map_pb2_grpc


def main() -> None:
    socket, messages, size, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with open(path, encoding="ascii") as file:
        payloads = [line.rstrip("\n").encode() for line in file]
    requests = [map_pb2.MapRequest(handshake=map_pb2.Handshake(sot=True))]
    for number in range(messages):
        request = map_pb2.MapRequest.Request(value=payloads[number % len(payloads)])
        requests.append(map_pb2.MapRequest(id=str(number), request=request))
        if (number + 1) % size == 0 or number + 1 == messages:
            requests.append(map_pb2.MapRequest(status=map_pb2.TransmissionStatus(eot=True)))
    # By default the path of the socket is sent as the authority, which the Rust server refuses as no valid one.
    options = [("grpc.default_authority", "localhost")]
    with grpc.insecure_channel(f"unix://{socket}", options=options) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        start = time.monotonic()
        total = answered = 0
        for response in map_pb2_grpc.MapStub(channel).MapFn(iter(requests)):
            for result in response.results:
                total += int.from_bytes(result.value, "little")
                answered += 1
            if answered == messages:
                break
        print(time.monotonic() - start, total)


main()
