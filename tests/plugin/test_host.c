/* test_host.c - services of the host, and instances. */
#include "support.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static nre_host *host;
static const host_services NONE;

static void begin(void)
{
    cr_assert_eq(host_new("mine", &NONE, &host), 0);
}

static void end(void)
{
    host_free(host);
    temporary_end();
}

TestSuite(host, .init = begin, .fini = end);

Test(host, every_service_is_there)
{
    cr_assert_eq(host->struct_size, sizeof(nre_host));
    cr_assert_eq(host->abi_major, NRE_ABI_MAJOR);
    cr_assert_not_null(host->version);
    cr_assert(host->log && host->fail && host->alloc && host->scratch && host->progress &&
              host->get_bool && host->get_int && host->get_real && host->get_string &&
              host->get_reals && host->get_ints && host->get_strings && host->parallel &&
              host->data_file && host->table && host->extension);
    cr_assert_null(host->extension(host, "nre.threads/1"));
}

Test(host, fail_records_and_never_succeeds)
{
    cr_assert_eq(host->fail(host, NRE_EIO, "no file %d", 7), NRE_EIO);
    cr_assert_str_eq(error_message(), "no file 7");
    cr_assert_eq(host->fail(host, 0, "but why"), NRE_EINTERNAL);
}

Test(host, memory_is_zeroed_and_aligned)
{
    unsigned char *m = host->alloc(host, 100, 3);
    cr_assert_not_null(m);
    cr_assert_eq((uintptr_t)m % 64, 0);
    for (size_t i = 0; i < 300; i++)
        cr_assert_eq(m[i], 0);
    cr_assert_null(host->alloc(host, SIZE_MAX / 2, 3));
}

static void say(void)
{
    host->log(host, NRE_WARN, "%d of %d", 1, 2);
}

Test(host, log_names_the_plugin)
{
    char text[256];
    cr_assert_eq(run_child(say, text, sizeof text), 0);
    cr_assert_not_null(strstr(text, "mine: 1 of 2"), "%s", text);
}

static void witness(progress *self, const char *what, uint64_t done, uint64_t total,
                    const char *unit, const char *detail)
{
    (void)self;
    (void)unit;
    (void)detail;
    cr_assert_str_eq(what, "watched");
    cr_assert_eq(done, 3);
    cr_assert_eq(total, 4);
}

Test(host, progress_and_the_wish_to_stop)
{
    progress watcher = {.report = witness};
    host_services services = {.watcher = &watcher};
    nre_host *watched;
    cr_assert_eq(host_new("watched", &services, &watched), 0);
    cr_assert_eq(watched->progress(watched, 3, 4), 0);
    stop_request(2);
    cr_assert_eq(watched->progress(watched, 3, 4), NRE_ECANCELLED);
    host_free(watched);
}

static int square(void *context, size_t i)
{
    double *scratch = host->scratch(host, 100, sizeof *scratch);
    if (!scratch)
        return NRE_ENOMEM;
    scratch[99] = (double)i;
    ((double *)context)[i] = scratch[99] * scratch[99];
    return i == 700 ? host->fail(host, NRE_EINVAL, "item %zu", i) : NRE_OK;
}

Test(host, parallel_runs_all_and_returns_the_first_failure)
{
    host_services services = {0};
    nre_host *many;
    double out[700];
    cr_assert_eq(pool_new(3, &services.workers), 0);
    cr_assert_eq(host_new("many", &services, &many), 0);
    cr_assert_eq(many->parallel(many, 700, square, out), 0, "%s", error_message());
    for (size_t i = 0; i < 700; i++)
        cr_assert_float_eq(out[i], (double)(i * i), 0);
    double more[701];
    cr_assert_eq(many->parallel(many, 701, square, more), NRE_EINVAL);
    cr_assert_str_eq(error_message(), "item 700");
    host_free(many);
    pool_free(services.workers);
}

Test(host, data_files)
{
    const char *folder = temporary_begin();
    const char *folders[] = {path_in(folder, "a"), path_in(folder, "b")};
    host_services services = {.n_data_folders = 2, .data_folders = folders};
    nre_host *h;
    cr_assert_eq(host_new("mine", &services, &h), 0);
    cr_assert_eq(folder_make(folders[0]), 0);
    cr_assert_eq(folder_make(folders[1]), 0);
    cr_assert_eq(file_print(path_in(folder, "b/flu.csv"), "1"), 0);
    cr_assert_eq(file_print(path_in(folder, "secret"), "1"), 0);
    cr_assert_str_eq(h->data_file(h, "flu.csv"), path_in(folder, "b/flu.csv"));
    cr_assert_str_eq(h->data_file(h, path_in(folder, "secret")),
                     path_in(folder, "secret"));
    cr_assert_null(h->data_file(h, "../secret"));
    cr_assert_null(h->data_file(h, "absent.csv"));
    cr_assert(message_has("'absent.csv' is in none of the 2 data folders"));
    host_free(h);
}

/* instances */

static const nre_option OPTIONS[] = {
    {.name = "noise", .help = "h", .type = NRE_REAL, .fallback = "2"},
};
static int n_destroyed;

static int create_good(const nre_host *h, const nre_values *v, void **self)
{
    double *noise = h->alloc(h, 1, sizeof *noise);
    *noise = h->get_real(v, "noise");
    *self = noise;
    return NRE_OK;
}

static int create_failing(const nre_host *h, const nre_values *v, void **self)
{
    (void)v;
    (void)self;
    return h->fail(h, NRE_EINVAL, "noise is below the pixel size");
}

static int create_reading_nonsense(const nre_host *h, const nre_values *v, void **self)
{
    (void)self;
    (void)h->get_real(v, "nosie");
    return NRE_OK;
}

static void destroy(void *self)
{
    (void)self;
    n_destroyed++;
}

static int try_create(int (*create)(const nre_host *, const nre_values *, void **),
                      instance **i)
{
    static nre_plugin table;
    static plugin p;
    table =
        (nre_plugin){NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "mine",
                     NRE_PLUGIN_OPTIONS(OPTIONS), .create = create, .destroy = destroy};
    p = (plugin){.table = &table};
    nre_values *values;
    arena *a = arena_new();
    cr_assert_eq(values_new(&p, a, &values), 0);
    int status = instance_new(&p, values, &NONE, i);
    if (!status) {
        if (create)
            cr_assert_float_eq(*(double *)(*i)->self, 2, 0);
        instance_free(*i);
    }
    arena_free(a);
    return status;
}

Test(host, instances_live_and_die)
{
    instance *i = NULL;
    cr_assert_eq(try_create(create_good, &i), 0, "%s", error_message());
    cr_assert_eq(n_destroyed, 1);
    cr_assert_eq(try_create(NULL, &i), 0);
    cr_assert_eq(n_destroyed, 2);
}

Test(host, a_failing_create_names_the_plugin)
{
    instance *i = NULL;
    cr_assert_eq(try_create(create_failing, &i), NRE_EPLUGIN);
    cr_assert_str_eq(error_message(),
                     "simulator 'mine': create(): noise is below the pixel size");
    cr_assert_eq(n_destroyed, 0, "what was not made is not destroyed");
}

Test(host, reading_an_option_that_is_not_there_is_a_bug)
{
    instance *i = NULL;
    cr_assert_eq(try_create(create_reading_nonsense, &i), NRE_EINTERNAL);
    cr_assert_str_eq(
        error_message(),
        "simulator 'mine': a bug in create(): it reads option 'nosie', which its "
        "table does not have");
}
