import subprocess
import sys


def test_core_imports_no_django_and_no_network():
    code = (
        "import sys, safety.check, safety.guard, safety.sanitize, safety.cards\n"
        "print(sorted({'django', 'socket', 'ssl', 'time'} & (set(sys.modules) - before)))"
    )
    code = "import sys, importlib.metadata, datetime; before = set(sys.modules)\n" + code
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
