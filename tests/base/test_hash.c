/* XXH3 of memory and of files. */
#include "scratch.h"

#include "base/base.h"

/* xxHash's own check value of the empty input with seed 0. */
Test(hash, published_value)
{
    cr_assert_str_eq(hash_hex(hash_bytes("", 0)).hex, "99aa06d3014798d86001c324468d497f");
    cr_assert(hash_equal(hash_string("abc"), hash_bytes("abcd", 3)));
    cr_assert(!hash_equal(hash_string("abc"), hash_string("abd")));
}

Test(hash, hex_keeps_leading_zeros)
{
    cr_assert_str_eq(hash_hex((hash){1, 0xab}).hex, "000000000000000100000000000000ab");
}

Test(hash, of_a_file_is_of_its_bytes)
{
    enum { N = 3 * 1024 * 1024 + 17 };
    scratch s = scratch_new();
    unsigned char *data = malloc(N);
    hash h = {0, 0};

    for (size_t i = 0; i < N; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    const char *path = scratch_path(&s, "data");
    cr_assert_eq(file_write(path, data, N), 0);
    for (size_t from = 0; from <= N; from += N / 3 + 1) {
        cr_assert_eq(hash_file(path, from, &h), 0);
        cr_assert(hash_equal(h, hash_bytes(data + from, N - from)));
    }
    cr_assert_eq(hash_file(path, 2 * (uint64_t)N, &h), 0);
    cr_assert(hash_equal(h, hash_bytes("", 0)));
    cr_assert_eq(hash_file(path, UINT64_MAX, &h), NRE_EIO);
    free(data);
    scratch_free(&s);
}

Test(hash, files_that_cannot_be_read)
{
    scratch s = scratch_new();
    hash h;

    cr_assert_eq(hash_file(scratch_path(&s, "none"), 0, &h), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "none: cannot read"));
    cr_assert_eq(hash_file(s.folder, 0, &h), NRE_EIO);
    cr_assert_not_null(strstr(error_message(), s.folder));
    scratch_free(&s);
}
