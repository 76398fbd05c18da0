"""asyncua's server with `variables` doubles in one namespace. Prints `ready` when it listens."""

import asyncio
import logging
import sys

from asyncua import ua
from asyncua.server.server import Server

NAMESPACE = "urn:ganzhi:benchmarks"


async def serve(port: int, variables: int) -> None:
    """Serve until ended."""
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/bench")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace(NAMESPACE)
    for i in range(variables):
        await server.nodes.objects.add_variable(
            ua.NodeId(ua.String(f"v{i}"), ua.Int16(space)),
            ua.QualifiedName(f"v{i}", space),
            float(i),
        )
    async with server:
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
