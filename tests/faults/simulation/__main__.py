"""`python -m tests.faults.simulation --seeds 10000`: run many seeds, print the counts as JSON, and a breach's trace."""

import argparse
import json
import sys
import time

from tests.faults.simulation.run import simulate


def main() -> int:
    """Run the seeds that the command line asks for; return 1 on a breach."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone, with its trace")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _tell(asked.seed)
    began, steps, virtual_s, broken = time.monotonic(), 0, 0.0, []
    for seed in range(asked.first, asked.first + asked.seeds):
        verdict = simulate(seed)
        steps, virtual_s = steps + verdict.steps, virtual_s + verdict.elapsed_s
        if verdict.breaches:
            broken.append(seed)
            sys.stderr.write(f"seed {seed}: {verdict.breaches[0]}\n")
    counts = {
        "seeds": asked.seeds,
        "first": asked.first,
        "breaches": len(broken),
        "broken_seeds": broken[:20],
        "steps": steps,
        "virtual_s": round(virtual_s),
        "elapsed_s": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(counts) + "\n")
    return 1 if broken else 0


def _tell(seed: int) -> int:
    verdict = simulate(seed, is_traced=True)
    breaches = "; ".join(verdict.breaches) or "none"
    end = f"seed {seed}: {verdict.steps} steps, {verdict.elapsed_s:.0f} virtual s, breaches: {breaches}"
    sys.stdout.write("\n".join([*verdict.trace, end]) + "\n")
    return 1 if verdict.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
