"""Sessions: `nox -s bench` runs the main job, `nox -s tests` the tests; `nox -l` lists all.

Every session installs with `constraints.txt`, the one exact set of versions that is tested, so that
results are reproducible. Environments are reused; `nox -R` skips their installation.
"""

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "typecheck", "tests"]

BENCHMARK = ("--benchmark-only", "--benchmark-autosave", "--benchmark-storage=.benchmarks")
PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, group: str = "") -> None:
    """Install seqbench from the working tree, and a dependency group of pyproject.toml."""
    wanted = nox.project.dependency_groups(PROJECT, group) if group else ()
    session.install("-c", "constraints.txt", "-e", ".", *wanted)


@nox.session
def bench(session: nox.Session) -> None:
    """Run a suite and write its report; arguments go to `seqbench run` (default: --suite quick)."""
    install(session)
    session.run("seqbench", "run", "--report", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Write the reports of the results that are there again; arguments go to `seqbench report`."""
    install(session)
    session.run("seqbench", "report", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, on as many cores as there are; arguments go to pytest."""
    install(session, "test")
    session.run("pytest", "--numprocesses", "auto", *session.posargs)


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Run what `tests` leaves out: the rest of each cross product; arguments go to pytest."""
    install(session, "test")
    session.run("pytest", "-m", "exhaustive", "--numprocesses", "auto", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions in pyproject.toml; arguments go to pytest."""
    floors = [
        each.partition(",")[0].replace(">=", "==") for each in PROJECT["project"]["dependencies"]
    ]
    session.install("-e", ".", *floors, *nox.project.dependency_groups(PROJECT, "test"))
    # old versions use what new ones of other packages call deprecated
    lenient = ("-W", "default::DeprecationWarning", "-W", "default::PendingDeprecationWarning")
    session.run("pytest", *lenient, "--numprocesses", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install("-c", "constraints.txt", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types with mypy, strictly, in package, tests, benchmarks and this file."""
    install(session, "typecheck")
    session.run("mypy")


@nox.session
def micro(session: nox.Session) -> None:
    """Run the benchmarks of `benchmarks/`; arguments go to pytest.

    JSON is saved in `.benchmarks/`, for `pytest-benchmark compare`.
    """
    install(session, "test")
    session.run("pytest", "benchmarks", *BENCHMARK, *session.posargs)


@nox.session
def regress(session: nox.Session) -> None:
    """Hold this code against another version; arguments go to `seqbench gate`, as --base main."""
    install(session)
    session.run("seqbench", "gate", *session.posargs)


@nox.session(name="gate-trials")
def gate_trials(session: nox.Session) -> None:
    """Measure the gate itself until all trials are there, and write its report; takes hours.

    `--runs 5 --change 0.03` does five with a slowdown of 3 %; trials accumulate.
    """
    install(session, "test")
    session.run("python", "-m", "benchmarks.gate_trials", *session.posargs)


@nox.session(name="gate-simulation")
def gate_simulation(session: nox.Session) -> None:
    """Simulate the gate's rule on recorded and made-up noise; takes minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.gate_simulation", *session.posargs)


@nox.session(name="history-trials")
def history_trials(session: nox.Session) -> None:
    """Measure the change points of `seqbench history` on simulated series; takes minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.history_trials")


@nox.session(name="stats-trials")
def stats_trials(session: nox.Session) -> None:
    """Measure what reports call a difference on simulated scores; takes a few minutes."""
    install(session)
    session.run("python", "-m", "benchmarks.stats_trials")


@nox.session
def stress(session: nox.Session) -> None:
    """Kill the main job at random instants and see that nothing is lost; takes minutes.

    Arguments are those of `tests/stress.py`.
    """
    install(session)
    session.run("python", "tests/stress.py", *session.posargs)


@nox.session
def frameworks(session: nox.Session) -> None:
    """Set an epoch in Lightning and in Keras on JAX next to ours; arguments go to pytest."""
    install(session, "frameworks")
    session.run("pytest", "benchmarks", *BENCHMARK, "-k", "other_frameworks", *session.posargs)


@nox.session
def hostile(session: nox.Session) -> None:
    """Give seqbench hostile options, files, plugins, repositories and surroundings; minutes.

    Arguments are those of `benchmarks/hostile`.
    """
    install(session)
    session.run("python", "-m", "benchmarks.hostile", *session.posargs)
