"""Build FLARE (mir-flare 1.4.0, MIT) in its environment, without downloads by CMake.

FLARE's CMake fetches Eigen, nlohmann-json, pybind11 and googletest; three-line stand-ins point it
at the system's headers instead. Nothing in FLARE's sources is changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import EnvironmentBuildError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Debian packages whose headers and programs the build uses.
SYSTEM_PACKAGES = (
    "g++ cmake libeigen3-dev nlohmann-json3-dev libopenblas-dev liblapacke-dev python3-dev"
)

_JSON = """add_library(nlohmann_json INTERFACE)
add_library(nlohmann_json::nlohmann_json ALIAS nlohmann_json)
"""
_GOOGLETEST = "add_library(gtest INTERFACE)\nadd_library(gtest_main INTERFACE)\n"
# FLARE asks ExternalProject for Eigen only. Its C++ test program is left out of the build.
_EXTERNAL_PROJECT = """macro(ExternalProject_Add name)
  add_custom_target(${name})
endmacro()
macro(ExternalProject_Get_Property name property)
  set(${property} "@EIGEN@")
endmacro()
macro(add_executable name)
  if("${name}" STREQUAL "tests")
    _add_executable(${name} EXCLUDE_FROM_ALL ${ARGN})
  else()
    _add_executable(${name} ${ARGN})
  endif()
endmacro()
"""


def build_flare(folder: Path, run: Callable[..., None]) -> None:
    """Compile and install mir-flare into the environment `folder`.

    Parameters
    ----------
    folder
        A virtual environment that holds what its lock names (pybind11, ninja, setuptools).
    run
        Runs a command, with environment variables as a second argument.

    Raises
    ------
    EnvironmentBuildError
        If a header or program is missing, or the compiler fails.
    """
    eigen = Path(os.environ.get("EIGEN_INCLUDE", "/usr/include/eigen3"))
    needed = [eigen / "Eigen" / "Dense", Path("/usr/include/nlohmann/json.hpp")]
    lacking = [str(path) for path in needed if not path.exists()]
    lacking += [name for name in ("g++", "cmake") if shutil.which(name) is None]
    if lacking:
        raise EnvironmentBuildError(
            f"FLARE is compiled here, and {', '.join(lacking)} is missing: on Debian and Ubuntu, "
            f"apt install {SYSTEM_PACKAGES}"
        )
    stand = folder / "standins"
    for name, text in {
        "json/CMakeLists.txt": _JSON,
        "googletest/CMakeLists.txt": _GOOGLETEST,
        "modules/ExternalProject.cmake": _EXTERNAL_PROJECT.replace("@EIGEN@", str(eigen)),
    }.items():
        path = stand / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    python = folder / "bin" / "python"
    pybind11 = next(folder.glob("lib/python*/site-packages/pybind11/share/cmake/pybind11"))
    flags = {
        "FETCHCONTENT_FULLY_DISCONNECTED": "ON",
        "FETCHCONTENT_SOURCE_DIR_JSON": stand / "json",
        "FETCHCONTENT_TRY_FIND_PACKAGE_MODE": "ALWAYS",
        "pybind11_DIR": pybind11,
        "FETCHCONTENT_SOURCE_DIR_GOOGLETEST": stand / "googletest",
        "CMAKE_MODULE_PATH": stand / "modules",
        "Python_EXECUTABLE": python,
    }
    variables = {
        "FLARE_CMAKE_FLAGS": " ".join(f"-D{name}={value}" for name, value in flags.items()),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    command = "-m pip install --no-deps --no-build-isolation --no-binary mir-flare mir-flare==1.4.0"
    run([python, *command.split()], variables)
    run([python, "-c", "from flare.bffs.sgp._C_flare import SparseGP"])
