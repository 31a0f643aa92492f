/* Arrays on disk: what is put is got, the same bytes each time, damage is noticed. */
#include "scratch.h"

#include "base/base.h"

#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROWS = 1000, WIDTH = 7 };

static double theta[ROWS][2];
static float x[ROWS][WIDTH];
static uint8_t status_of_row[ROWS];
static int64_t step[3] = {INT64_MIN, 0, INT64_MAX};

static void fill(void)
{
    for (int i = 0; i < ROWS; i++) {
        theta[i][0] = sin(i);
        theta[i][1] = 1e300 * i;
        status_of_row[i] = (uint8_t)(i % 251);
        for (int k = 0; k < WIDTH; k++)
            x[i][k] = (float)(i * WIDTH + k) / 3;
    }
    theta[5][0] = NAN;
}

static int put_all(store *s)
{
    int status = store_put(s, "status", STORE_U8, 1, (uint64_t[]){ROWS}, status_of_row);

    if (!status)
        status = store_put(s, "theta", STORE_F64, 2, (uint64_t[]){ROWS, 2}, theta);
    if (!status)
        status =
            store_put(s, "optimiser/m/x", STORE_F32, 2, (uint64_t[]){ROWS, WIDTH}, x);
    if (!status)
        status = store_put(s, "optimiser/step", STORE_I64, 1, (uint64_t[]){3}, step);
    if (!status)
        status = store_put(s, "none", STORE_F64, 2, (uint64_t[]){0, 3}, NULL);
    if (!status)
        status = store_put(s, "scalar", STORE_F64, 0, NULL, &theta[1][0]);
    if (!status)
        status = store_put_text(s, "noise", "add");
    if (!status)
        status = store_put_real(s, "loss", -0.1);
    if (!status)
        status = store_put_int(s, "epoch", INT64_MIN);
    return status;
}

static void make(const char *path)
{
    store *s = NULL;

    fill();
    cr_assert_eq(store_create(path, &s), 0, "%s", error_message());
    cr_assert_eq(put_all(s), 0, "%s", error_message());
    cr_assert_eq(store_commit(s), 0, "%s", error_message());
}

Test(store, what_is_put_is_got)
{
    static double theta_got[ROWS][2], scalar, loss;
    static float x_got[ROWS][WIDTH];
    static uint8_t status_got[ROWS];
    static int64_t step_got[3], epoch;
    scratch f = scratch_new();
    arena *a = arena_new();
    store *s = NULL;
    char *text = NULL;

    make(scratch_path(&f, "a.h5"));
    cr_assert_eq(scratch_entries(&f), 1);
    cr_assert_eq(store_open(f.path, &s), 0, "%s", error_message());
    cr_assert_eq(store_get(s, "theta", STORE_F64, 2 * ROWS, theta_got), 0);
    cr_assert_eq(memcmp(theta_got, theta, sizeof theta), 0);
    cr_assert_eq(store_get(s, "optimiser/m/x", STORE_F32, WIDTH * ROWS, x_got), 0);
    cr_assert_eq(memcmp(x_got, x, sizeof x), 0);
    cr_assert_eq(store_get(s, "status", STORE_U8, ROWS, status_got), 0);
    cr_assert_arr_eq(status_got, status_of_row, sizeof status_got);
    cr_assert_eq(store_get(s, "optimiser/step", STORE_I64, 3, step_got), 0);
    cr_assert_arr_eq(step_got, step, sizeof step);
    cr_assert_eq(store_get(s, "scalar", STORE_F64, 1, &scalar), 0);
    cr_assert_eq(scalar, theta[1][0]);
    cr_assert_eq(store_get(s, "none", STORE_F64, 0, NULL), 0);
    cr_assert_eq(store_get_text(s, "noise", a, &text), 0);
    cr_assert_str_eq(text, "add");
    cr_assert_eq(store_get_real(s, "loss", &loss), 0);
    cr_assert_eq(loss, -0.1);
    cr_assert_eq(store_get_int(s, "epoch", &epoch), 0);
    cr_assert_eq(epoch, INT64_MIN);
    store_close(s);
    arena_free(a);
    scratch_free(&f);
}

Test(store, shapes)
{
    scratch f = scratch_new();
    store_shape shape;
    store *s;

    make(scratch_path(&f, "a.h5"));
    cr_assert_eq(store_open(f.path, &s), 0);
    cr_assert_eq(store_shape_of(s, "optimiser/m/x", &shape), 0);
    cr_assert(shape.type == STORE_F32 && shape.rank == 2);
    cr_assert(shape.dim[0] == ROWS && shape.dim[1] == WIDTH && shape.dim[2] == 0);
    cr_assert_eq(store_shape_of(s, "none", &shape), 0);
    cr_assert(shape.rank == 2 && shape.dim[0] == 0 && shape.dim[1] == 3);
    cr_assert(store_has(s, "theta") && store_has(s, "optimiser/step") &&
              store_has(s, "noise"));
    cr_assert(!store_has(s, "thet") && !store_has(s, "optimiser/v") &&
              !store_has(s, "no/such"));
    store_close(s);
    scratch_free(&f);
}

Test(store, what_does_not_fit_is_refused)
{
    static double data[2 * ROWS];
    scratch f = scratch_new();
    arena *a = arena_new();
    store_shape shape;
    store_map map;
    int64_t number;
    char *text;
    store *s;

    make(scratch_path(&f, "a.h5"));
    cr_assert_eq(store_open(f.path, &s), 0);
    cr_assert_eq(store_get(s, "theta", STORE_F64, 2 * ROWS - 1, data), NRE_EDATA);
    cr_assert_not_null(
        strstr(error_message(), "theta has 2000 of float64, not 1999 of float64"));
    cr_assert_eq(store_get(s, "theta", STORE_I64, 2 * ROWS, data), NRE_EDATA);
    cr_assert_eq(store_get(s, "missing", STORE_F64, 1, data), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "has no array missing"));
    cr_assert_eq(store_get(s, "optimiser", STORE_F64, 1, data), NRE_EDATA);
    cr_assert_eq(store_map_of(s, "theta", STORE_F32, 2 * ROWS, &map), NRE_EDATA);
    cr_assert_null(map.base);
    cr_assert_eq(store_shape_of(s, "missing", &shape), NRE_EDATA);
    cr_assert_eq(store_get_text(s, "loss", a, &text), NRE_EDATA);
    cr_assert_eq(store_get_int(s, "loss", &number), NRE_EDATA);
    cr_assert_eq(store_get_real(s, "noise", data), NRE_EDATA);
    cr_assert_eq(store_get_real(s, "missing", data), NRE_EDATA);
    cr_assert_eq(store_put_int(s, "new", 1), NRE_EIO);
    store_close(s);
    arena_free(a);
    scratch_free(&f);
}

static void assert_mapped(store *s, const char *name, store_type type, uint64_t n,
                          size_t size, const void *expected)
{
    store_map map;

    cr_assert_eq(store_map_of(s, name, type, n, &map), 0, "%s", error_message());
    cr_assert_eq((uintptr_t)map.data % 64, 0, "%s", name);
    cr_assert_eq(memcmp(map.data, expected, n * size), 0, "%s", name);
    store_unmap(&map);
    cr_assert_null(map.data);
}

Test(store, a_map_is_what_get_gives)
{
    scratch f = scratch_new();
    store_map map, none;
    store *s;

    make(scratch_path(&f, "a.h5"));
    cr_assert_eq(store_open(f.path, &s), 0);
    assert_mapped(s, "theta", STORE_F64, 2 * ROWS, 8, theta);
    assert_mapped(s, "optimiser/m/x", STORE_F32, WIDTH * ROWS, 4, x);
    assert_mapped(s, "optimiser/step", STORE_I64, 3, 8, step);
    assert_mapped(s, "status", STORE_U8, ROWS, 1, status_of_row);
    assert_mapped(s, "scalar", STORE_F64, 1, 8, &theta[1][0]);
    cr_assert_eq(store_map_of(s, "none", STORE_F64, 0, &none), 0);
    store_unmap(&none);
    cr_assert_eq(store_map_of(s, "theta", STORE_F64, 2 * ROWS, &map), 0);
    store_close(s);
    unlink(f.path);
    cr_assert_eq(memcmp(map.data, theta, sizeof theta), 0, "valid after store_close");
    store_unmap(&map);
    store_unmap(NULL);
    scratch_free(&f);
}

static char *bytes_of(const char *path, size_t *n)
{
    char *bytes;

    cr_assert_eq(file_read(path, 1 << 24, &bytes, n), 0);
    return bytes;
}

/* Also with other rubbish in fresh memory: none of it may reach the file. */
Test(store, the_same_content_gives_the_same_bytes)
{
    scratch f = scratch_new();
    size_t n_first, n_second;

    mallopt(M_PERTURB, 0x55);
    make(scratch_path(&f, "a.h5"));
    char *first = bytes_of(f.path, &n_first);
    sleep(1);
    mallopt(M_PERTURB, 0xAA);
    make(scratch_path(&f, "another name.h5"));
    char *second = bytes_of(f.path, &n_second);
    cr_assert_eq(n_first, n_second);
    cr_assert_eq(memcmp(first, second, n_first), 0);
    cr_assert_eq(strncmp(first, "NEREID-STORE 1\n", 15), 0);
    free(first);
    free(second);
    scratch_free(&f);
}

Test(store, damage_is_refused)
{
    scratch f = scratch_new();
    size_t n;

    make(scratch_path(&f, "a.h5"));
    char *bytes = bytes_of(f.path, &n);
    for (size_t i = 0; i < n; i += i < 80 ? 1 : 97) {
        store *s = NULL;
        bytes[i] ^= 4;
        cr_assert_eq(file_write(f.path, bytes, n), 0);
        cr_assert_eq(store_open(f.path, &s), NRE_EDATA, "byte %zu", i);
        cr_assert_not_null(strstr(error_message(), "a.h5"));
        bytes[i] ^= 4;
    }
    cr_assert_eq(file_write(f.path, bytes, n), 0);
    store *s;
    cr_assert_eq(store_open(f.path, &s), 0);
    store_close(s);
    free(bytes);
    scratch_free(&f);
}

Test(store, other_lengths_are_refused)
{
    static const long change[] = {-1, -4096, 1, 100};
    scratch f = scratch_new();
    size_t n;
    store *s;

    make(scratch_path(&f, "a.h5"));
    char *bytes = bytes_of(f.path, &n);
    bytes = realloc(bytes, n + 100);
    memset(bytes + n, 0, 100);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(file_write(f.path, bytes, n + (size_t)change[i]), 0);
        cr_assert_eq(store_open(f.path, &s), NRE_EDATA);
        cr_assert_not_null(strstr(error_message(), "bytes instead of"));
        cr_assert_not_null(strstr(error_message(), "delete it"));
        cr_assert_null(s);
    }
    for (size_t short_one = 0; short_one < 600; short_one += 50) {
        cr_assert_eq(file_write(f.path, bytes, short_one), 0);
        cr_assert_eq(store_open(f.path, &s), NRE_EDATA);
    }
    free(bytes);
    cr_assert_eq(store_open(scratch_path(&f, "missing.h5"), &s), NRE_EDATA);
    cr_assert_not_null(strstr(error_message(), "missing.h5: cannot open"));
    scratch_free(&f);
}

Test(store, an_abandoned_one_leaves_nothing)
{
    scratch f = scratch_new();
    store *s;

    cr_assert_eq(store_create(scratch_path(&f, "a.h5"), &s), 0);
    cr_assert_eq(put_all(s), 0);
    store_close(s);
    store_close(NULL);
    cr_assert_eq(scratch_entries(&f), 0);
    cr_assert_eq(store_create(scratch_path(&f, "none/a.h5"), &s), 0);
    cr_assert_eq(put_all(s), 0);
    cr_assert_eq(store_commit(s), NRE_EIO);
    cr_assert_not_null(strstr(error_message(), "none/a.h5: cannot write: No such file"));
    scratch_free(&f);
}

Test(store, a_failed_put_is_not_published)
{
    scratch f = scratch_new();
    double value = 1;
    store *s;

    make(scratch_path(&f, "a.h5"));
    cr_assert_eq(store_create(f.path, &s), 0);
    cr_assert_eq(store_put(s, "a", STORE_F64, 1, (uint64_t[]){1}, &value), 0);
    cr_assert_eq(store_put(s, "a", STORE_F64, 1, (uint64_t[]){1}, &value), NRE_EIO);
    cr_assert_eq(store_commit(s), NRE_EIO);
    cr_assert_eq(scratch_entries(&f), 1);
    cr_assert_eq(store_open(f.path, &s), 0);
    cr_assert(store_has(s, "theta"), "the old one is still there");
    store_close(s);
    scratch_free(&f);
}

Test(store, long_texts)
{
    static char text[64001];
    scratch f = scratch_new();
    arena *a = arena_new();
    char *got = NULL;
    store *s;

    memset(text, 'c', 64000);
    cr_assert_eq(store_create(scratch_path(&f, "a.h5"), &s), 0);
    cr_assert_eq(store_put_text(s, "config", text), 0);
    cr_assert_eq(store_put_text(s, "empty", ""), 0);
    cr_assert_eq(store_commit(s), 0);
    cr_assert_eq(store_open(f.path, &s), 0);
    cr_assert_eq(store_get_text(s, "config", a, &got), 0);
    cr_assert_str_eq(got, text);
    cr_assert_eq(store_get_text(s, "empty", a, &got), 0);
    cr_assert_str_eq(got, "");
    store_close(s);
    arena_free(a);
    scratch_free(&f);
}

Test(store, absurd_arrays_are_refused)
{
    scratch f = scratch_new();
    store *s;
    double value = 1;

    cr_assert_eq(store_create(scratch_path(&f, "a.h5"), &s), 0);
    cr_assert_eq(store_put(s, "a", STORE_F64, 6, (uint64_t[]){1, 1, 1, 1, 1, 1}, &value),
                 NRE_EINVAL);
    cr_assert_eq(
        store_put(s, "a", STORE_F64, 2, (uint64_t[]){UINT64_C(1) << 40, 1 << 30}, &value),
        NRE_EINVAL);
    cr_assert_eq(store_put(s, "a", (store_type)9, 1, (uint64_t[]){1}, &value),
                 NRE_EINVAL);
    store_close(s);
    scratch_free(&f);
}

/* The size limit of files stands for a full disk. */
Test(store, a_full_disk_is_a_sentence)
{
    scratch f = scratch_new();
    size_t n;

    make(scratch_path(&f, "a.h5"));
    free(bytes_of(f.path, &n));
    signal(SIGXFSZ, SIG_IGN);
    for (size_t limit = 0; limit < n; limit += n / 23) {
        store *s = NULL;
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, RLIM_INFINITY});
        cr_assert_eq(store_create(f.path, &s), 0);
        cr_assert_eq(put_all(s), 0);
        int status = store_commit(s);
        cr_assert_eq(status, NRE_EIO, "limit %zu", limit);
        cr_assert_not_null(strstr(error_message(), "a.h5: "), "%s", error_message());
        cr_assert_not_null(strstr(error_message(), "File too large"), "%zu: %s", limit,
                           error_message());
        cr_assert_eq(scratch_entries(&f), 1);
    }
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    store *s;
    cr_assert_eq(store_open(f.path, &s), 0, "the old one is whole");
    store_close(s);
    make(scratch_path(&f, "b.h5"));
    scratch_free(&f);
}
