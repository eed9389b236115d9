"""Conan 2 recipe, built from the checkout that it lies in: `conan create packaging/conan`."""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.gnu import PkgConfigDeps

PARTS = ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*")


class Magnetar(ConanFile):
    name = "magnetar"
    description = "Actors as processes, threads and coroutines, on one io_uring event loop"
    license = "MIT"
    settings = "os", "arch", "compiler", "build_type"
    package_type = "static-library"

    @property
    def _checkout(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._checkout, "include/magnetar/version.hpp"))
        number = int(re.search(r"define MAGNETAR_VERSION (\d+)", text).group(1))
        self.version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"

    def export_sources(self):
        for pattern in PARTS:
            copy(self, pattern, self._checkout, self.export_sources_folder)

    def requirements(self):
        self.requires("fmt/[>=9.1.0 <12]", transitive_headers=True, transitive_libs=True)
        self.requires("liburing/[>=2.3]", transitive_headers=True, transitive_libs=True)
        self.requires("simdjson/[>=3.0.0]", transitive_headers=True, transitive_libs=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        PkgConfigDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["MAGNETAR_INSTALL"] = True
        toolchain.cache_variables["MAGNETAR_INSTALL_COMPILED"] = True
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "magnetar")
        needs = ["fmt::fmt", "liburing::liburing", "simdjson::simdjson"]
        header_only = self.cpp_info.components["header_only"]
        header_only.set_property("cmake_target_name", "magnetar::magnetar")
        header_only.set_property("pkg_config_name", "magnetar")
        header_only.libdirs = []
        compiled = self.cpp_info.components["compiled"]
        compiled.set_property("cmake_target_name", "magnetar::compiled")
        compiled.set_property("pkg_config_name", "magnetar-compiled")
        compiled.libs = ["magnetar"]
        compiled.defines = ["MAGNETAR_SEPARATE_COMPILATION"]
        for component in (header_only, compiled):
            component.requires = needs
            component.system_libs = ["pthread"]
