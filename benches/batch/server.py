"""The word count of `benches/batch` as a batch map server of pynumaflow: `server.py SOCKET INFO_FILE`."""

import sys
from collections.abc import AsyncIterable

from pynumaflow.batchmapper import BatchMapAsyncServer, BatchMapper, BatchResponse, BatchResponses, Datum, Message


class Words(BatchMapper):
    """Counts the words of every message."""

    async def handler(self, datums: AsyncIterable[Datum]) -> BatchResponses:
        responses = BatchResponses()
        async for datum in datums:
            words = len(datum.value.decode().split())
            response = BatchResponse.from_id(datum.id)
            response.append(Message(words.to_bytes(4, "little")))
            responses.append(response)
        return responses


if __name__ == "__main__":
    socket, info = sys.argv[1:]
    BatchMapAsyncServer(Words(), sock_path=socket, server_info_file=info).start()
