"""Memory of a connection that does nothing: two crowds are held, and the difference is divided by the second."""

import time

from loads import Held, Void


def settled(proxy):
    """What it holds, once that no longer changes."""
    last = -1
    for _ in range(20):
        time.sleep(0.25)
        size = proxy.anonymous()
        if size == last:
            break
        last = size
    return size


def held(memory, make):
    """Bytes for each connection, by proxy, each of them started afresh; and why some could not be weighed."""
    sizes, void = {}, {}
    first, second = memory.crowds
    for proxy in make():
        try:
            proxy.start()
            with Held(memory.program, memory.verb, memory.port(proxy), first):
                before = settled(proxy)
                with Held(memory.program, memory.verb, memory.port(proxy), second):
                    sizes[proxy.name] = round((settled(proxy) - before) / second)
        except (Void, RuntimeError, OSError) as error:
            void[proxy.name] = str(error)
        finally:
            proxy.stop()
    return {"name": memory.name, "what": memory.what, "target": memory.target, "count": second, "bytes": sizes,
            "void": void}
