/* NumPy files: round trips, NumPy's own bytes, and what is refused. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

/* numpy.save of numpy.arange(6, dtype='<i4').reshape(2, 3), NumPy 1.24, before its
 * padding. */
static const char INTS[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }";

/* A file of version 1 with this header and N bytes of data 0, 1, 2... */
static size_t build(char *out, const char *header, size_t n)
{
    size_t length = strlen(header) + 1;
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(length & 255), out[9] = (char)(length >> 8);
    memcpy(out + 10, header, length - 1);
    out[10 + length - 1] = '\n';
    for (size_t i = 0; i < n; i++)
        out[10 + length + i] = (char)(i % 4 ? 0 : i / 4);
    return 10 + length + n;
}

Test(npy, parses)
{
    char bytes[256];
    npy a;
    size_t n = build(bytes, INTS, 24);
    cr_assert_eq(npy_parse(bytes, n, &a), 0, "%s", error_message());
    cr_assert_eq(a.type, 'i');
    cr_assert_eq(a.width, 4);
    cr_assert_eq(a.rank, 2);
    cr_assert_eq(a.dim[0], 2);
    cr_assert_eq(a.dim[1], 3);
    for (uint64_t i = 0; i < 6; i++)
        cr_assert_eq(npy_value(&a, a.data, i), (double)i);
    npy_free(&a);
    npy_free(&a);
}

Test(npy, header_forms)
{
    static const char *const good[] = {
        "{'shape': (6,), 'fortran_order': True, 'descr': '<f4'}",
        "{\"descr\": \"<f8\", \"fortran_order\": False, \"shape\": (3,)}   ",
        "{'descr':'<i8','fortran_order':False,'shape':(1,3L,1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3, 1), }",
    };
    char bytes[256];
    npy a;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert_eq(npy_parse(bytes, build(bytes, good[i], 24), &a), 0, "%s: %s",
                     good[i], error_message());
        npy_free(&a);
    }
    cr_assert_eq(
        npy_parse(
            bytes,
            build(bytes, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", 4),
            &a),
        0);
    cr_assert_eq(a.rank, 0);
    npy_free(&a);
}

Test(npy, refuses)
{
    static const char *const bad[][2] = {
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,), }", "'>f4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (6,), }", "'|O'"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }",
         "structure"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", "Fortran"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }", "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }", "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
         "truncated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
         "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 6), }",
         "4 dimensions"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", "shape"},
        {"{'descr': '<f4', 'fortran_order': False, }", "lacks"},
        {"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (6,), }", "fortran_order"},
        {"{'colour': 'red'}", "colour"},
        {"'descr': '<f4'", "dictionary"},
        {"", "dictionary"},
        {"{'descr", "header"},
    };
    char bytes[256];
    npy a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(npy_parse(bytes, build(bytes, bad[i][0], 24), &a), NRE_EDATA, "%s",
                     bad[i][0]);
        cr_assert(message_has(bad[i][1]));
    }
    size_t n = build(bytes, INTS, 24);
    for (size_t cut = 0; cut < n; cut++) {
        char *exact = malloc(cut + 1); /* so that a read past the end is seen */
        memcpy(exact, bytes, cut);
        cr_assert_eq(npy_parse(exact, cut, &a), NRE_EDATA, "cut at %zu", cut);
        free(exact);
    }
}

Test(npy, file_round_trip)
{
    const double f8[2][2] = {{1, -2.5}, {1e300, 0}};
    const int64_t i8[3] = {1, -5, INT64_MAX};
    npy a;
    cr_assert_eq(npy_write(path_of("a.npy"), 'f', 8, 2, (uint64_t[]){2, 2}, f8), 0, "%s",
                 error_message());
    cr_assert_eq(npy_read(path_of("a.npy"), &a), 0, "%s", error_message());
    cr_assert_eq(a.rank, 2);
    cr_assert_arr_eq(a.data, f8, sizeof f8);
    npy_free(&a);
    cr_assert_eq(npy_write(path_of("b.npy"), 'i', 8, 1, (uint64_t[]){3}, i8), 0);
    cr_assert_eq(npy_read(path_of("b.npy"), &a), 0);
    cr_assert_arr_eq(a.data, i8, sizeof i8);
    npy_free(&a);
    cr_assert_not(file_exists(path_of("a.npy.tmp")));
}

/* Data begin at a multiple of 64 bytes, as NumPy's format asks for. */
Test(npy, data_are_aligned)
{
    char *bytes;
    size_t n;
    cr_assert_eq(
        npy_write(path_of("a.npy"), 'f', 4, 4, (uint64_t[]){2, 1, 3, 1}, (float[6]){0}),
        0);
    cr_assert_eq(file_read(path_of("a.npy"), 4096, &bytes, &n), 0);
    cr_assert_eq((n - 24) % 64, 0);
    cr_assert_eq(bytes[n - 25], '\n');
    free(bytes);
}

Test(npy, missing_and_empty_files)
{
    npy a;
    cr_assert_eq(npy_read(path_of("none.npy"), &a), NRE_EDATA);
    cr_assert(message_has("none.npy"));
    cr_assert_eq(file_print(path_of("empty.npy"), "%s", ""), 0);
    cr_assert_eq(npy_read(path_of("empty.npy"), &a), NRE_EDATA);
    cr_assert_eq(
        npy_write(path_of("no/such/a.npy"), 'f', 4, 1, (uint64_t[]){1}, (float[]){1}),
        NRE_EIO);
}
