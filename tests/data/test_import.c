/* Simulations of others: copied faithfully; a damaged HDF5 file cannot take the program
 * down. */
#include "support.h"

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 700 };

static simulator *s;
static double theta[N][2];
static float x[N][5];

static void begin(void)
{
    temporary_folder();
    s = mock_open(true);
    draw d = {.seed = 1, .purpose = "x", .n = N, .clean = true};
    cr_assert_eq(
        simulator_draw(s, NULL, NULL, &d, &theta[0][0], &x[0][0], NULL, NULL, NULL), 0);
}

static void end(void)
{
    simulator_close(s);
}

TestSuite(import, .init = begin, .fini = end);

static int import(import_request r, tally *count)
{
    const dataset_plan plan = {.folder = path_of("out"),
                               .draw = {.purpose = "train"},
                               .shard_rows = 300,
                               .fingerprint = "f"};
    pool *p;
    cr_assert_eq(pool_new(2, &p), 0); /* threads exist while we fork */
    int status = dataset_import(s, &r, &plan, p, NULL, count);
    pool_free(p);
    return status;
}

static void holds(uint64_t from, uint64_t n, bool clean)
{
    dataset *d;
    cr_assert_eq(dataset_open(path_of("out"), &d), 0, "%s", error_message());
    cr_assert_eq(dataset_n(d), n);
    cr_assert_eq(dataset_is_clean(d), clean);
    for (uint64_t i = 0; i < n; i++) {
        cr_assert_arr_eq(dataset_theta(d, i), theta[from + i], sizeof theta[0]);
        cr_assert_arr_eq(dataset_x(d, i), x[from + i], sizeof x[0]);
    }
    dataset_close(d);
}

static void imports(import_request r, uint64_t from, uint64_t n)
{
    tally count = {0};
    cr_assert_eq(import(r, &count), 0, "%s", error_message());
    cr_assert_eq(count.rows, n);
    cr_assert_eq(count.attempts, n);
    holds(from, n, !r.noisy);
}

static void refuses(import_request r, const char *words)
{
    unlink(path_of("out/manifest.json"));
    cr_assert_eq(import(r, NULL), NRE_EDATA, "%s", words);
    cr_assert(message_has(words));
    cr_assert_not(dataset_is_there(path_of("out"), "f"));
}

/* .npy */

static void write_npy(void)
{
    cr_assert_eq(npy_write(path_of("t.npy"), 'f', 8, 2, (uint64_t[]){N, 2}, theta), 0);
    cr_assert_eq(npy_write(path_of("x.npy"), 'f', 4, 3, (uint64_t[]){N, 5, 1}, x), 0);
}

Test(import, npy)
{
    write_npy();
    imports((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy")}, 0, N);
    imports(
        (import_request){.theta = path_of("t.npy"), .x = path_of("x.npy"), .noisy = true},
        0, N);
    imports(
        (import_request){
            .theta = path_of("t.npy"), .x = path_of("x.npy"), .from = 100, .n = 450},
        100, 450);
    refuses(
        (import_request){
            .theta = path_of("t.npy"), .x = path_of("x.npy"), .from = 100, .n = 601},
        "has 700 rows");
    refuses((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy"), .from = N},
            "has 700 rows");
    refuses((import_request){.theta = path_of("x.npy"), .x = path_of("x.npy")},
            "theta has 5 columns");
    refuses((import_request){.theta = path_of("t.npy"), .x = path_of("t.npy")},
            "a row of x has 2 values");
    refuses((import_request){.theta = path_of("t.npy"), .x = path_of("none.npy")},
            "none.npy");
}

Test(import, values_are_checked)
{
    theta[500][0] = 1.5;
    write_npy();
    refuses((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy")},
            "row 500: a = 1.5 lies outside its prior uniform(0, 1)");
    theta[500][0] = NAN;
    write_npy();
    refuses((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy")},
            "row 500: a = nan");
    theta[500][0] = 0.5, x[600][3] = INFINITY;
    write_npy();
    refuses(
        (import_request){.theta = path_of("t.npy"), .x = path_of("x.npy"), .from = 100},
        "row 600: curve[3] is not a finite float");
}

Test(import, integers)
{
    int32_t count[N][5];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 5; j++)
            x[i][j] = (float)(count[i][j] = i * j);
    cr_assert_eq(npy_write(path_of("t.npy"), 'f', 8, 2, (uint64_t[]){N, 2}, theta), 0);
    cr_assert_eq(npy_write(path_of("x.npy"), 'i', 4, 2, (uint64_t[]){N, 5}, count), 0);
    imports((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy")}, 0, N);
}

/* HDF5 of ours */

Test(import, our_own_file)
{
    cr_assert_eq(simulations_save(s, path_of("s.h5"), N, &theta[0][0], &x[0][0], NULL),
                 0);
    imports((import_request){.file = path_of("s.h5")}, 0, N);
    imports((import_request){.file = path_of("s.h5"), .from = 5, .n = 10}, 5, 10);
    refuses((import_request){.file = path_of("s.h5"), .from = 5, .n = N}, "has 700 rows");
    char *bytes;
    size_t n;
    cr_assert_eq(file_read(path_of("s.h5"), 1 << 24, &bytes, &n), 0);
    bytes[n / 2] ^= 1;
    cr_assert_eq(file_write(path_of("s.h5"), bytes, n), 0);
    free(bytes);
    refuses((import_request){.file = path_of("s.h5")}, "checksum");
    refuses((import_request){.file = path_of("none.h5")}, "no such file");
    cr_assert_eq(import((import_request){.noisy = true}, NULL), NRE_ECONFIG);
}

/* HDF5 of others */

/* Chunked and compressed where CHUNK is not 0; x [N][5][1], so of rank 3. */
static void write_foreign(const char *path, hid_t type_t, hid_t type_x, hsize_t rows_x,
                          hsize_t chunk)
{
    const hsize_t dim_t[2] = {N, 2}, dim_x[3] = {rows_x, 5, 1};
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space_t = H5Screate_simple(2, dim_t, NULL),
          space_x = H5Screate_simple(3, dim_x, NULL);
    hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    if (chunk) {
        H5Pset_chunk(how, 3, (hsize_t[]){chunk, 5, 1});
        H5Pset_deflate(how, 6);
    }
    hid_t t =
        H5Dcreate2(file, "theta", type_t, space_t, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t o = H5Dcreate2(file, "x", type_x, space_x, H5P_DEFAULT, how, H5P_DEFAULT);
    cr_assert(H5Dwrite(t, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, theta) >= 0);
    cr_assert(H5Dwrite(o, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    H5Dclose(t), H5Dclose(o), H5Sclose(space_t), H5Sclose(space_x), H5Pclose(how),
        H5Fclose(file);
}

Test(import, foreign_hdf5)
{
    char path[512];
    snprintf(path, sizeof path, "%s", path_of("f.h5"));
    write_foreign(path, H5T_IEEE_F64LE, H5T_IEEE_F32LE, N, 0);
    imports((import_request){.file = path}, 0, N);
    imports((import_request){.file = path, .from = 300, .n = 301, .noisy = true}, 300,
            301);
    write_foreign(path, H5T_IEEE_F64BE, H5T_IEEE_F64BE, N, 64);
    imports((import_request){.file = path}, 0, N);
    refuses((import_request){.file = path, .n = N + 1}, "has 700 rows");
    write_foreign(path, H5T_IEEE_F64LE, H5T_IEEE_F32LE, N - 1, 0);
    refuses((import_request){.file = path}, "/theta has 700 rows, /x has 699");
    cr_assert_eq(file_print(path, "this is no HDF5 file"), 0);
    refuses((import_request){.file = path}, "cannot be read as HDF5");
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
}

Test(import, foreign_integers)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 5; j++)
            x[i][j] = (float)(i * j % 100);
    write_foreign(path_of("f.h5"), H5T_IEEE_F64LE, H5T_STD_U8LE, N, 0);
    imports((import_request){.file = path_of("f.h5")}, 0, N);
}

/* Random bytes changed, 60 times: refused or read, and this process lives.  What is read
 * passed the checks of values. */
Test(import, damaged_foreign_hdf5)
{
    char path[512];
    snprintf(path, sizeof path, "%s", path_of("f.h5"));
    char *bytes, *broken;
    size_t n;
    rng r;
    int refused = 0;
    write_foreign(path, H5T_IEEE_F64LE, H5T_IEEE_F32LE, N, 64);
    cr_assert_eq(file_read(path, 1 << 24, &bytes, &n), 0);
    broken = malloc(n);
    rng_start(&r, rng_purpose(1, "damage"), 0, 0);
    for (int i = 0; i < 60; i++) {
        size_t reach = i % 2 ? n : 2048; /* headers lie in front */
        memcpy(broken, bytes, n);
        for (int k = 0; k < 8; k++)
            broken[rng_below(&r, reach)] = (char)rng_below(&r, 256);
        cr_assert_eq(file_write(path, broken, i % 5 ? n : n / 2), 0);
        int status = import((import_request){.file = path}, NULL);
        cr_assert(status == NRE_OK || status == NRE_EDATA, "%d: %s", status,
                  error_message());
        refused += status == NRE_EDATA;
    }
    cr_assert_gt(refused, 20);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "no child is left");
    free(bytes), free(broken);
}

Test(import, a_wish_to_stop_is_heard)
{
    write_npy();
    stop_request(2);
    cr_assert_eq(
        import((import_request){.theta = path_of("t.npy"), .x = path_of("x.npy")}, NULL),
        NRE_ECANCELLED);
}
