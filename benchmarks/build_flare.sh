#!/bin/sh
# Build FLARE (mir-flare 1.4.0, MIT) in a virtual environment of its own, without network access
# from CMake: its build downloads Eigen, nlohmann-json, pybind11 and googletest; small stand-ins
# point it at the system's headers instead. Nothing in FLARE's sources is changed.
#
#   sh benchmarks/build_flare.sh FOLDER [PYTHON]
#
# makes FOLDER/bin/python with FLARE inside (four to ten minutes of g++ on two cores).
# Debian packages needed: g++ cmake ninja-build libeigen3-dev nlohmann-json3-dev libopenblas-dev
# liblapacke-dev
set -eu
where=${1:?usage: build_flare.sh FOLDER [PYTHON]}
python=${2:-python3}
eigen=${EIGEN_INCLUDE:-/usr/include/eigen3}

for header in "$eigen/Eigen/Dense" /usr/include/nlohmann/json.hpp; do
    test -e "$header" || { echo "missing $header: install the packages named in this script" >&2; exit 2; }
done

"$python" -m venv "$where"
"$where/bin/pip" install -q 'numpy<2' scipy 'ase<3.27' pybind11 'setuptools<81' wheel ninja \
    numba memory_profiler pyyaml nptyping
where=$(cd "$where" && pwd)
stand=$where/standins
mkdir -p "$stand/json" "$stand/googletest" "$stand/modules"

cat > "$stand/json/CMakeLists.txt" <<'END'
add_library(nlohmann_json INTERFACE)
add_library(nlohmann_json::nlohmann_json ALIAS nlohmann_json)
END
cat > "$stand/googletest/CMakeLists.txt" <<'END'
add_library(gtest INTERFACE)
add_library(gtest_main INTERFACE)
END
# FLARE asks ExternalProject for Eigen only. Its C++ test program is left out of the build.
cat > "$stand/modules/ExternalProject.cmake" <<END
macro(ExternalProject_Add name)
  add_custom_target(\${name})
endmacro()
macro(ExternalProject_Get_Property name property)
  set(\${property} "$eigen")
endmacro()
macro(add_executable name)
  if("\${name}" STREQUAL "tests")
    _add_executable(\${name} EXCLUDE_FROM_ALL \${ARGN})
  else()
    _add_executable(\${name} \${ARGN})
  endif()
endmacro()
END

FLARE_CMAKE_FLAGS="-DFETCHCONTENT_FULLY_DISCONNECTED=ON \
 -DFETCHCONTENT_SOURCE_DIR_JSON=$stand/json \
 -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=ALWAYS \
 -Dpybind11_DIR=$("$where/bin/python" -m pybind11 --cmakedir) \
 -DFETCHCONTENT_SOURCE_DIR_GOOGLETEST=$stand/googletest \
 -DCMAKE_MODULE_PATH=$stand/modules \
 -DPython_EXECUTABLE=$where/bin/python"
export FLARE_CMAKE_FLAGS
PATH="$where/bin:$PATH" "$where/bin/pip" install --no-deps --no-build-isolation \
    --no-binary mir-flare mir-flare==1.4.0
"$where/bin/python" -c "from flare.bffs.sgp._C_flare import SparseGP, B2, NormalizedDotProduct; print('FLARE is ready')"
