"""What was measured, as text: lines while it runs, tables at the end, the page `docs/benchmarks.md`."""

import statistics

import peers
import workers

HAPROXIES = ("haproxy", "haproxy-new")


def median(values):
    return statistics.median(values) if values else None


def ratios(scenario, name, to=HAPROXIES):
    """In each round the cost beside the cheapest of some others."""
    found = []
    for costs in scenario["rounds"]:
        others = [costs[other]["ns"] for other in to if other in costs]
        if name in costs and others:
            found.append(costs[name]["ns"] / min(others))
    return found


def cost(scenario, name):
    return median([costs[name]["ns"] for costs in scenario["rounds"] if name in costs])


def shown(values):
    if not values:
        return "–"
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def met(value, target, most=True):
    if target is None or value is None:
        return "–"
    good = value <= target if most else value >= target
    off = abs(value / target - 1) * 100
    return "yes" if good else f"no, {off:.{0 if off >= 2 else 1}f} % {'over' if most else 'under'}"


def names(results):
    """Of the peers that took part."""
    return list(results["versions"])


def line(scenario):
    parts = [f"{name} {cost(scenario, name) / 1000:.1f} us" for name in scenario["rounds"][0]]
    parts += [f"{name} VOID: {why}" for name, why in scenario["void"].items()]
    more = ""
    if "lbd again" in scenario["rounds"][0]:
        more += f", again {shown(ratios(scenario, 'lbd again', ('lbd',)))}"
    if scenario["beside"]:
        more += f", to {scenario['beside']} {shown(ratios(scenario, 'lbd', ('lbd beside',)))}"
    return f"{scenario['name']}: lbd {shown(ratios(scenario, 'lbd'))}{more}; " + ", ".join(parts)


def memory_line(memory):
    parts = [f"{name} {size} B" for name, size in memory["bytes"].items()]
    return f"{memory['name']}: " + ", ".join(parts + [f"{n} VOID: {why}" for n, why in memory["void"].items()])


def latency_line(found):
    parts = [f"{name} p50 {t['p50']:.0f} p99 {t['p99']:.0f} us" for name, t in found["times"].items()]
    parts += [f"{name} VOID: {why}" for name, why in found["void"].items()]
    return f"latency at {found['rate']} requests/s: " + ", ".join(parts)


def reload_line(found):
    return (f"reload: p99.9 {found['calm']['p999']:.0f} us calm, {found['edited']['p999']:.0f} us over "
            f"{found['edits']} reloads, {found['again']['p999']:.0f} us calm again")


def workers_line(found):
    return "two workers: " + ", ".join(f"{name} {shown(times)} x" for name, times in found["times"].items())


def spread_line(found):
    return (f"spread: busier worker {found['trials'][0]['busier']:.2f} to {found['trials'][-1]['busier']:.2f}, "
            f"p99 {found['even_p99']:.0f} us even, {found['uneven_p99']:.0f} us uneven")


def table(head, rows):
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(out + ["| " + " | ".join(row) + " |" for row in rows])


def costs_table(results):
    others = [name for name in names(results) if name != "lbd"]
    head = ["scenario", "aim", "lbd : HAProxy", "met", "lbd", *(title(results, name) for name in others)]
    rows = []
    for scenario in results["scenarios"]:
        ratio = ratios(scenario, "lbd")
        cells = []
        for name in ["lbd", *others]:
            if why := scenario["void"].get(name):
                cells.append(f"void: {why}")
                continue
            value = cost(scenario, name)
            beside = median(ratios(scenario, name))
            more = f" ({beside:.2f})" if beside and name not in ("lbd", *HAPROXIES) else ""
            cells.append(f"{value / 1000:.1f} us{more}" if value else "–")
        aim = f"{scenario['target']:.2f}" if scenario["target"] else "–"
        rows.append([scenario["what"], aim, f"**{shown(ratio)}**", met(median(ratio), scenario["target"]), *cells])
    return table(head, rows)


def title(results, name):
    return peers.label(name, results["versions"].get(name, ""))


def growth_table(results):
    rows = []
    for scenario in results["scenarios"]:
        if scenario["beside"]:
            ratio = ratios(scenario, "lbd", ("lbd beside",))
            without = f"{scenario['few']:,} of them" if scenario.get("few") else scenario["beside"]
            rows.append([scenario["what"], without, f"{scenario['growth']:.2f}", f"**{shown(ratio)}**",
                         met(median(ratio), scenario["growth"])])
    return table(["lbd with", "beside lbd with", "aim", "ratio", "met"], rows)


def summary(results):
    """What a later run is compared with."""
    ratio = {s["name"]: round(median(found), 2) for s in results["scenarios"] if (found := ratios(s, "lbd"))}
    growth = {s["name"]: round(median(found), 2) for s in results["scenarios"]
              if (found := ratios(s, "lbd", ("lbd beside",)))}
    return {"date": results["date"], "commit": results.get("commit", ""), "ratios": ratio, "growth": growth}


def runs_table(results):
    """The ratios to HAProxy of this run and of those before it."""
    runs = [*results.get("before", []), summary(results)]
    rows = []
    for scenario in results["scenarios"]:
        for what, aim in (("ratios", scenario["target"]), ("growth", scenario["growth"])):
            if aim:
                beside = f", beside {scenario['beside']}" if what == "growth" else ""
                cells = [f"{run[what][scenario['name']]:.2f}" if scenario["name"] in run[what] else "–" for run in runs]
                rows.append([scenario["name"] + beside, f"{aim:.2f}", *cells])
    return table(["scenario", "aim", *(f"{run['date']}, {run['commit']}" for run in runs)], rows)


def floor_table(results):
    """What a relay costs, and what of HAProxy's and lbd's cost is their own."""
    rows = []
    for scenario in results["scenarios"]:
        floor = cost(scenario, "floor")
        if not floor:
            continue
        own = [median([(costs[name]["ns"] - costs["floor"]["ns"]) / 1000 for costs in scenario["rounds"]
                       if name in costs and "floor" in costs]) for name in ("lbd", *HAPROXIES)]
        least = min(value for value in own[1:] if value is not None)
        rows.append([scenario["what"], f"{floor / 1000:.1f} us", f"**{shown(ratios(scenario, 'floor'))}**",
                     shown(ratios(scenario, "lbd")), f"{own[0]:.1f} us", f"{least:.1f} us"])
    return table(["scenario", "a relay", "relay : HAProxy", "lbd : HAProxy", "lbd's own", "HAProxy's own"], rows)


def memory_table(results):
    rows = []
    for memory in results["memory"]:
        sizes = [f"void: {memory['void'][name]}" if name in memory["void"] else
                 f"{memory['bytes'][name] / 1024:.1f} KB" if name in memory["bytes"] else "–"
                 for name in names(results)]
        aim = memory["target"]
        rows.append([memory["what"], f"{aim / 1024:.0f} KB", met(memory["bytes"].get("lbd"), aim), *sizes])
    return table(["what", "aim", "met", *(title(results, name) for name in names(results))], rows)


def start_table(results):
    rows = []
    for setup in dict.fromkeys(start["setup"] for start in results["starts"]):
        cells = []
        for name in names(results):
            start = next((s for s in results["starts"] if s["setup"] == setup and s["peer"] == name), None)
            time = f"{start['seconds']:.2f} s, " if start and start["seconds"] is not None else ""
            cells.append(f"{time}{start['resident'] / 2**20:.0f} MB" if start else "–")
        rows.append([setup, *cells])
    return table(["setup", *(title(results, name) for name in names(results))], rows)


def latency_table(results):
    found = results["latency"]
    direct = found["times"].get("direct")
    rows = []
    for name, times in found["times"].items():
        more = [f"{times[share] - direct[share]:.0f} us" if direct and name != "direct" else "–"
                for share in ("p50", "p99")]
        rows.append([name if name == "direct" else title(results, name), *(f"{times[s]:.0f} us" for s in ("p50", "p99", "p999")), *more])
    rows += [[name, f"void: {why}", "", "", "", ""] for name, why in found["void"].items()]
    return table(["through", "p50", "p99", "p99.9", "p50 added", "p99 added"], rows)


def tables(results):
    """All that was measured."""
    parts = [costs_table(results)] if results["scenarios"] else []
    if any(scenario.get("floor") for scenario in results["scenarios"]):
        parts.append(floor_table(results))
    if any(scenario["beside"] for scenario in results["scenarios"]):
        parts.append(growth_table(results))
    parts += [memory_table(results)] if results["memory"] else []
    parts += [start_table(results)] if results["starts"] else []
    parts += [latency_table(results)] if "latency" in results else []
    parts += [said] if (said := closing(results)) else []
    return "\n\n".join(parts)


def start_aims(results):
    """What is aimed at with 10,000 routes, in a sentence."""
    start = next((s for s in results["starts"] if s["peer"] == "lbd" and s["setup"] == "10,000 routes"), None)
    if not start:
        return ""
    return (f"Aims with 10,000 routes: 0.3 s (met: {met(start['seconds'], 0.3)}) and 60 MB (met: "
            f"{met(start['resident'], 60 * 2**20)}).")


def latency_aims(results):
    """What is aimed at, in a sentence."""
    times = results["latency"]["times"]
    if not {"direct", "lbd"} <= set(times):
        return ""
    added = times["lbd"]["p50"] - times["direct"]["p50"]
    said = f"Aims: lbd adds at most 60 us to p50 (met: {met(added, 60)})"
    if "nginx" in times:
        said += f", and its p99 is no worse than nginx's (met: {met(times['lbd']['p99'], times['nginx']['p99'])})"
    return said + "."


def control(results):
    again = [shown(ratios(s, "lbd again", ("lbd",))) for s in results["scenarios"] if "lbd again" in s["rounds"][0]]
    return ", ".join(again) or "–"


def profiles(results):
    parts = []
    for scenario in results["scenarios"]:
        if found := results["profile"].get(scenario["name"]):
            user = "\n".join(f"| `{name}` | {share:.1f} % |" for name, share in found["user"])
            kernel = ", ".join(f"`{name}` {share:.1f} %" for name, share in found["first_of_kernel"])
            if found["nameless"] >= 0.05:
                user += f"\n| without a name | {found['nameless']:.1f} % |"
            parts.append(f"### {scenario['name']}: {scenario['what']}\n\nKernel {found['kernel']:.0f} %: {kernel}.\n\n"
                         f"| in lbd | share |\n|---|---|\n{user}")
    return "\n\n".join(parts) or "No profile: `perf` could not sample on that machine."


def beside_calm(found, name):
    """p99.9 of some rounds beside that of the calm ones."""
    return found[name]["p999"] / found["calm"]["p999"]


def closing(results):
    """Reloads and workers, in sentences."""
    parts = []
    if found := results.get("reload"):
        ratio = beside_calm(found, "edited")
        times = {name: ", ".join(f"{found[name][share]:.0f}" for share in ("p50", "p99", "p999")) for name in ("calm", "edited", "again")}
        parts.append(
            f"**Reloads.** {found['rate']:,} requests a second over 32 connections, {found['rounds']} rounds of calm, of a file that "
            f"changes {found['edits']} times, and of calm again; medians. p50, p99 and p99.9 in calm: {times['calm']} us; during "
            f"reloads {times['edited']} us; in calm again {times['again']} us. p99.9 is {ratio:.2f} times the calm one (aim "
            f"{found['target']}; met: {met(ratio, found['target'])}); in calm again {beside_calm(found, 'again'):.2f} times: so much "
            "this machine cannot tell apart.")
    if found := results.get("workers"):
        each = ", ".join(f"{title(results, name)} {shown(times)}" for name, times in found["times"].items())
        mine = median(found["times"].get("lbd", []))
        parts.append(
            "**Two workers.** " + " ".join(workers.__doc__.split("\n\n", 1)[1].split()) + f" Measured: {each} (aim {found['target']}; met: "
            f"{met(mine, found['target'], most=False)}).")
    if found := results.get("spread"):
        busier = [trial["busier"] for trial in found["trials"]]
        ratio = found["uneven_p99"] / found["even_p99"]
        parts.append(
            f"**Spread.** {found['connections']} connections fall by chance on two workers, {len(busier)} times anew, "
            f"at {found['rate']:,} requests a second: the busier worker has {min(busier):.0%} to {max(busier):.0%} of the "
            f"work. p99 is {found['even_p99']:.0f} us in the evenest third and {found['uneven_p99']:.0f} us in the "
            f"most uneven ({ratio:.2f} times; aim {found['target']:.2f}).")
    return "\n\n".join(parts)


def page(results):
    """docs/benchmarks.md."""
    machine = results["machine"]
    versions = ", ".join(title(results, name) for name in names(results))
    fairness = peers.__doc__.split("\n\n", 1)[1].strip().replace("What was chosen", "Chosen", 1)
    latency = f"""## Latency

A steady {results['latency']['rate']:,} requests a second over {results['latency']['connections']} connections,
half of what the slowest of the proxies can do on this machine under this very load; straight to a server, and through
each proxy. The relay is described above.

{latency_table(results)}

{latency_aims(results)}
""" if "latency" in results else ""
    return f"""# Benchmarks

Written by `benches/compare/run` on {results['date']} from `benches/compare/results.json`. Numbers belong to the machine
that they were taken on; ratios travel better. To repeat them, run that command in a clone: it takes less than 20
minutes and needs two cores.

{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}; {versions}.

## Processor time for a unit of work

Median of {results['rounds']} rounds, with the lowest and highest in brackets; below 1 is cheaper than the cheaper HAProxy of
the same round; for other peers their ratio to it stands in brackets. lbd measured twice against itself in the same rounds
gives {control(results)}: differences smaller than that say nothing.

{costs_table(results)}

## Runs before

The same ratios in the last runs, by date and commit.

{runs_table(results)}

## What no proxy goes below

In the same rounds a relay passes on what it reads and understands nothing of it (`lbd-relay` in `benches/pace`): no
parsing, no routing, no clocks, no checks, on bare epoll. Its cost is the kernel's: two reads and two writes on loopback
and their wakeups. What a proxy costs beyond it is its own work (below zero: nothing that these rounds can tell). An aim
below the relay's ratio cannot be met here by anybody who reads and writes through sockets.

{floor_table(results)}

## What does not grow

lbd beside a second lbd in the same rounds.

{growth_table(results)}

## Memory of a connection that does nothing

{memory_table(results)}

## Start, and memory after it

From the start of the process until the first answer; resident memory, shared pages counted once. The binary of lbd
has {results['binary'] / 1e6:.1f} MB.

{start_table(results)}

{start_aims(results)}

{latency}
## Reloads and workers

{closing(results)}

## What keeps it fair

{fairness}

## Where lbd's time goes

Shares of the processor time of lbd, by function; what was inlined counts for the function that it is in.

{profiles(results)}
"""
