# An overlay port, built from the checkout that it lies in:
#
#     vcpkg install magnetar --overlay-ports=path/to/magnetar/packaging/vcpkg/ports
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

vcpkg_find_acquire_program(PKGCONFIG)
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS "-DPKG_CONFIG_EXECUTABLE=${PKGCONFIG}" -DMAGNETAR_INSTALL=ON -DMAGNETAR_INSTALL_COMPILED=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/magnetar)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
