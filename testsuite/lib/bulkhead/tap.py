"""The Test Anything Protocol: what tests print, and what is wrong with it when they stop short."""

import re

LINE = re.compile(r"(not )?ok\b\s*\d*\s*(?:- )?(.*?)\s*$")
PLAN = re.compile(r"1\.\.(\d+)\s*(#\s*SKIP.*)?$", re.I)
SKIP = re.compile(r"#\s*(SKIP|TODO)\b", re.I)


class Result:
    """One test: its name (which bears mission ids in brackets), and whether it holds."""

    def __init__(self, name, passed, detail="", skipped=False):
        self.name = name
        self.passed = passed
        self.detail = detail
        self.skipped = skipped


def parse(text, origin):
    """The results of one TAP document; what the protocol does not allow is a failed result.
    Other lines are a test's own talk: the detail of the result that they stand before."""
    results, plan, bailed, talk = [], None, False, ""
    for line in text.splitlines():
        line = line.strip("\r")
        match = LINE.match(line)
        if match:
            name = f"{origin}: {match.group(2)}"
            skipped = bool(SKIP.search(name))
            passed = skipped or not match.group(1)
            results.append(Result(name, passed, "" if passed else talk, skipped))
            talk = ""
        elif PLAN.match(line):
            if plan is not None:
                results.append(Result(f"{origin}: plan", False, "more than one plan"))
            plan = int(PLAN.match(line).group(1))
        elif line.startswith("Bail out!"):
            bailed = True
            results.append(Result(f"{origin}: runs to its end", False, line))
        else:
            talk += line + "\n"
    ran = len(results)
    if plan is None and not bailed:
        results.append(Result(f"{origin}: plan", False, "no plan: it ended early\n" + last(text)))
    elif not bailed and plan != ran:
        results.append(Result(f"{origin}: plan", False, f"{plan} planned, {ran} ran\n" + last(text)))
    return results


def last(text, lines=12):
    return "\n".join(text.splitlines()[-lines:])
