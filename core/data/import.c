/* data/import.c - simulations of others, copied to shards. */
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4 << 20, SILENCE_SECONDS = 120 };

/* Where rows come from: N of them, read in order. */
typedef struct source source;
struct source {
    const simulator *s;
    const import_request *r;
    const char *name; /* for messages */
    uint64_t n;
    int (*rows)(source *from, uint64_t first, size_t n, double *theta, float *x);
    void (*close)(source *from);
    /* two .npy files, mapped */
    npy theta, x;
    const void *file[2], *data[2];
    size_t length[2];
    /* a store of ours, mapped */
    store_map map[2];
    /* a child process */
    pid_t child;
    int pipe;
    struct report *report;
};

/* checks */

/* Rows of the request, out of HELD. */
static int choose_rows(const import_request *r, const char *name, uint64_t held,
                       uint64_t *n)
{
    uint64_t left = r->from < held ? held - r->from : 0;
    *n = r->n ? r->n : left;
    if (*n == 0 || *n > left)
        return fail(NRE_EDATA,
                    "%s: has %" PRIu64 " rows; %" PRIu64 " from row %" PRIu64
                    " on are asked for",
                    name, held, r->n ? r->n : 1, r->from);
    return NRE_OK;
}

static int check_widths(const simulator *s, const char *name, uint64_t n_theta,
                        uint64_t n_x)
{
    const char *its_name = simulator_instance(s)->plugin->table->name;
    if (n_theta != simulator_n_theta(s))
        return fail(NRE_EDATA,
                    "%s: theta has %" PRIu64
                    " columns; simulator '%s' has %zu parameters",
                    name, n_theta, its_name, simulator_n_theta(s));
    if (n_x != simulator_n_x(s))
        return fail(NRE_EDATA,
                    "%s: a row of x has %" PRIu64 " values; of simulator '%s' it has %zu",
                    name, n_x, its_name, simulator_n_x(s));
    return NRE_OK;
}

static int check_theta(const source *from, uint64_t row, const double *theta)
{
    const prior *p = simulator_prior(from->s);
    int status = NRE_OK;
    for (size_t k = 0; status == NRE_OK && k < p->n; k++) {
        double lo, hi;
        marginal_support(&p->of[k], &lo, &hi);
        if (isfinite(theta[k]) && theta[k] >= lo && theta[k] <= hi)
            continue;
        arena *a = arena_new();
        status =
            fail(NRE_EDATA, "%s: row %" PRIu64 ": %s = %.6g lies outside its prior %s",
                 from->r->theta ? from->r->theta : from->name, row, p->of[k].name,
                 theta[k], a ? marginal_text(&p->of[k], a) : "");
        arena_free(a);
    }
    return status;
}

static int check_rows(const source *from, uint64_t first, size_t n, const double *theta,
                      const float *x)
{
    size_t d = simulator_n_theta(from->s), n_x = simulator_n_x(from->s);
    int status = NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        uint64_t row = from->r->from + first + i;
        status = check_theta(from, row, theta + i * d);
        for (size_t j = 0; status == NRE_OK && j < n_x; j++)
            if (!isfinite(x[i * n_x + j])) {
                char name[96];
                x_name(from->s, j, sizeof name, name);
                status = fail(NRE_EDATA, "%s: row %" PRIu64 ": %s is not a finite float",
                              from->name, row, name);
            }
    }
    return status;
}

/* two .npy files */

static uint64_t width_of(const npy *a)
{
    uint64_t n = 1;
    for (unsigned k = 1; k < a->rank; k++)
        n *= a->dim[k];
    return n;
}

static int npy_rows(source *from, uint64_t first, size_t n, double *theta, float *x)
{
    size_t d = simulator_n_theta(from->s), n_x = simulator_n_x(from->s);
    first += from->r->from;
    for (size_t i = 0; i < n * d; i++)
        theta[i] = npy_value(&from->theta, from->data[0], first * d + i);
    for (size_t i = 0; i < n * n_x; i++)
        x[i] = (float)npy_value(&from->x, from->data[1], first * n_x + i);
    return NRE_OK;
}

static void npy_close(source *from)
{
    file_unmap(from->file[0], from->length[0]);
    file_unmap(from->file[1], from->length[1]);
}

static int npy_map(source *from, int which, const char *path, npy *a)
{
    int status = file_map(path, &from->file[which], &from->length[which]);
    if (status != NRE_OK)
        return status;
    status = npy_view(from->file[which], from->length[which], a, &from->data[which]);
    if (status == NRE_OK && (a->rank == 0 || width_of(a) == 0))
        status = fail(NRE_EDATA, "it has no rows");
    return status == NRE_OK ? NRE_OK : fail_within(status, "%s", path);
}

static int open_npy(source *from)
{
    const import_request *r = from->r;
    from->rows = npy_rows;
    from->close = npy_close;
    from->name = r->x;
    int status = npy_map(from, 0, r->theta, &from->theta);
    if (status == NRE_OK)
        status = npy_map(from, 1, r->x, &from->x);
    if (status == NRE_OK && from->theta.dim[0] != from->x.dim[0])
        status = fail(NRE_EDATA, "%s has %" PRIu64 " rows, %s has %" PRIu64, r->theta,
                      from->theta.dim[0], r->x, from->x.dim[0]);
    if (status == NRE_OK)
        status = check_widths(from->s, r->x, width_of(&from->theta), width_of(&from->x));
    return status == NRE_OK ? choose_rows(r, r->x, from->x.dim[0], &from->n) : status;
}

/* a file of ours */

static int store_rows(source *from, uint64_t first, size_t n, double *theta, float *x)
{
    size_t d = simulator_n_theta(from->s), n_x = simulator_n_x(from->s);
    first += from->r->from;
    memcpy(theta, (const double *)from->map[0].data + first * d, n * d * sizeof *theta);
    memcpy(x, (const float *)from->map[1].data + first * n_x, n * n_x * sizeof *x);
    return NRE_OK;
}

static void maps_close(source *from)
{
    store_unmap(&from->map[0]);
    store_unmap(&from->map[1]);
}

static int map_store(source *from, store *f)
{
    store_shape theta, x;
    int status = store_shape_of(f, "theta", &theta);
    if (status == NRE_OK)
        status = store_shape_of(f, "x", &x);
    if (status != NRE_OK)
        return status;
    if (theta.rank != 2 || x.rank != 2 || theta.dim[0] != x.dim[0])
        return fail(NRE_EDATA, "%s: theta and x do not fit each other", from->name);
    status = check_widths(from->s, from->name, theta.dim[1], x.dim[1]);
    if (status == NRE_OK)
        status = choose_rows(from->r, from->name, x.dim[0], &from->n);
    if (status == NRE_OK)
        status = store_map_of(f, "theta", STORE_F64, theta.dim[0] * theta.dim[1],
                              &from->map[0]);
    if (status == NRE_OK)
        status = store_map_of(f, "x", STORE_F32, x.dim[0] * x.dim[1], &from->map[1]);
    return status;
}

static int open_own(source *from)
{
    store *f;
    from->rows = store_rows;
    from->close = maps_close;
    int status = store_open(from->name, &f);
    if (status != NRE_OK)
        return status;
    status = map_store(from, f);
    store_close(f);
    return status;
}

/* in the child: libhdf5 and a pipe */

/* On a page that parent and child share. */
struct report {
    bool failed;
    char sentence[1000];
};

typedef struct foreign {
    hid_t set[2], space[2], type[2]; /* theta, x */
    hsize_t dim[2][H5S_MAX_RANK];
    int rank[2];
    uint64_t width[2];
} foreign;

static bool foreign_open(const source *from, hid_t file, int which, foreign *f)
{
    static const char *const names[] = {"theta", "x"};
    int status = NRE_OK;
    f->width[which] = 1;
    f->set[which] = H5Dopen2(file, names[which], H5P_DEFAULT);
    if (f->set[which] < 0)
        return fail(NRE_EDATA, "%s: has no dataset /%s", from->name, names[which]), false;
    f->space[which] = H5Dget_space(f->set[which]);
    hid_t type = H5Dget_type(f->set[which]);
    f->rank[which] = H5Sget_simple_extent_dims(f->space[which], f->dim[which], NULL);
    H5T_class_t class = H5Tget_class(type);
    if (f->rank[which] < 1 || (class != H5T_FLOAT && class != H5T_INTEGER))
        status = fail(NRE_EDATA, "%s: /%s is no array of numbers with a row a simulation",
                      from->name, names[which]);
    for (int k = 1; k < f->rank[which] && status == NRE_OK; k++)
        if (__builtin_mul_overflow(f->width[which], f->dim[which][k], &f->width[which]))
            status = fail(NRE_EDATA, "%s: the shape of /%s overflows", from->name,
                          names[which]);
    f->type[which] = which == 0 ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT;
    return status == NRE_OK;
}

static bool foreign_read(const source *from, const foreign *f, int which, uint64_t first,
                         size_t n, void *out)
{
    hsize_t start[H5S_MAX_RANK] = {first}, count[H5S_MAX_RANK];
    memcpy(count, f->dim[which], sizeof count);
    count[0] = n;
    hid_t memory = H5Screate_simple(f->rank[which], count, NULL);
    bool good = memory >= 0 &&
                H5Sselect_hyperslab(f->space[which], H5S_SELECT_SET, start, NULL, count,
                                    NULL) >= 0 &&
                H5Dread(f->set[which], f->type[which], memory, f->space[which],
                        H5P_DEFAULT, out) >= 0;
    H5Sclose(memory);
    if (!good)
        fail(NRE_EDATA, "%s: rows from %" PRIu64 " on cannot be read: damaged",
             from->name, first);
    return good;
}

static bool send(int pipe, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t some = write(pipe, (const char *)bytes + done, n - done);
        if (some < 0 && errno != EINTR)
            return false;
        done += some > 0 ? (size_t)some : 0;
    }
    return true;
}

static size_t block_rows(const simulator *s)
{
    size_t rows = BLOCK_BYTES / (8 * simulator_n_theta(s) + 4 * simulator_n_x(s));
    return rows ? rows : 1;
}

/* First the number of rows, then blocks of them: theta [b][n_theta], x [b][n_x]. */
static bool child_send(const source *from, const foreign *f, int pipe)
{
    size_t rows = block_rows(from->s), d = simulator_n_theta(from->s),
           n_x = simulator_n_x(from->s);
    uint64_t n;
    if (f->dim[0][0] != f->dim[1][0])
        return fail(NRE_EDATA, "%s: /theta has %" PRIu64 " rows, /x has %" PRIu64,
                    from->name, (uint64_t)f->dim[0][0], (uint64_t)f->dim[1][0]),
               false;
    double *theta = memory_new(rows, d * sizeof *theta);
    float *x = memory_new(rows, n_x * sizeof *x);
    bool good = theta && x &&
                check_widths(from->s, from->name, f->width[0], f->width[1]) == NRE_OK &&
                choose_rows(from->r, from->name, f->dim[0][0], &n) == NRE_OK &&
                send(pipe, &n, sizeof n);
    for (uint64_t done = 0; good && done < n; done += rows) {
        size_t some = n - done < rows ? (size_t)(n - done) : rows;
        good = foreign_read(from, f, 0, from->r->from + done, some, theta) &&
               foreign_read(from, f, 1, from->r->from + done, some, x) &&
               send(pipe, theta, some * d * sizeof *theta) &&
               send(pipe, x, some * n_x * sizeof *x);
    }
    free(theta);
    free(x);
    return good;
}

/* The parent's handlers would speak of plugins; a crash here is the file's doing and
 * stays silent, without a core. */
static void child_settle(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,
                                  SIGABRT, SIGINT, SIGTERM, SIGUSR1};
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        signal(signals[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
}

static _Noreturn void child_run(const source *from, int pipe, struct report *report)
{
    foreign f;
    child_settle();
    error_set("");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    hid_t file = H5Fopen(from->name, H5F_ACC_RDONLY, H5P_DEFAULT);
    bool good = file >= 0;
    if (!good)
        fail(NRE_EDATA, "%s: cannot be read as HDF5: of another kind, or damaged",
             from->name);
    good = good && foreign_open(from, file, 0, &f) && foreign_open(from, file, 1, &f) &&
           child_send(from, &f, pipe);
    snprintf(report->sentence, sizeof report->sentence, "%s",
             good ? "" : error_message());
    report->failed = !good;
    _exit(good ? 0 : 1);
}

/* in the parent */

/* What became of the child, as a sentence; it has ended or closed its pipe. */
static int child_failed(source *from)
{
    int how = 0;
    waitpid(from->child, &how, 0);
    from->child = 0;
    if (from->report->failed && from->report->sentence[0])
        return fail(NRE_EDATA, "%s", from->report->sentence);
    if (WIFSIGNALED(how))
        return fail(NRE_EDATA,
                    "%s: the HDF5 library crashed on this file (%s): it is damaged",
                    from->name, sigabbrev_np(WTERMSIG(how)));
    return fail(NRE_EDATA, "%s: reading it ended early (exit %d): it is damaged",
                from->name, WIFEXITED(how) ? WEXITSTATUS(how) : -1);
}

static int wait_for_bytes(const source *from)
{
    for (int seconds = 0; seconds < SILENCE_SECONDS; seconds++) {
        struct pollfd wanted = {.fd = from->pipe, .events = POLLIN};
        if (poll(&wanted, 1, 1000) > 0)
            return NRE_OK;
        int status = stop_check();
        if (status != NRE_OK)
            return status;
    }
    return fail(NRE_EDATA, "%s: reading it makes no progress: it is damaged", from->name);
}

static int receive(source *from, void *out, size_t n)
{
    for (size_t done = 0; done < n;) {
        int status = wait_for_bytes(from);
        if (status != NRE_OK)
            return status;
        ssize_t some = read(from->pipe, (char *)out + done, n - done);
        if (some == 0 || (some < 0 && errno != EINTR))
            return child_failed(from);
        done += some > 0 ? (size_t)some : 0;
    }
    return NRE_OK;
}

/* Blocks are asked for as the child sends them: see copy_rows. */
static int child_rows(source *from, uint64_t first, size_t n, double *theta, float *x)
{
    (void)first;
    int status = receive(from, theta, n * simulator_n_theta(from->s) * sizeof *theta);
    if (status == NRE_OK)
        status = receive(from, x, n * simulator_n_x(from->s) * sizeof *x);
    return status;
}

static void child_close(source *from)
{
    if (from->pipe > 0)
        close(from->pipe);
    if (from->child > 0) {
        kill(from->child, SIGKILL);
        waitpid(from->child, NULL, 0);
    }
    if (from->report)
        munmap(from->report, sizeof *from->report);
}

/* Worker threads exist while we fork, so the child must not wait for any of their locks:
 * it uses the C library's memory (which it makes safe across fork), libhdf5 (called by
 * this thread alone) and system calls, then leaves by _exit. */
static int open_foreign(source *from)
{
    int ends[2];
    from->rows = child_rows;
    from->close = child_close;
    void *page = mmap(NULL, sizeof *from->report, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
        return fail(NRE_EIO, "%s: cannot read it in a process of its own: %s", from->name,
                    strerror(errno));
    from->report = page;
    from->pipe = ends[0];
    from->child = fork();
    if (from->child == 0)
        child_run(from, ends[1], from->report);
    close(ends[1]);
    if (from->child < 0)
        return fail(NRE_EIO, "%s: cannot read it in a process of its own: %s", from->name,
                    strerror(errno));
    return receive(from, &from->n, sizeof from->n);
}

/* all of it */

/* Our files say so in their first bytes; HDF5 may begin further down. */
static bool is_ours(const char *path)
{
    char start[6] = "";
    FILE *file = fopen(path, "rbe");
    bool ours = file && fread(start, 1, sizeof start, file) == sizeof start &&
                memcmp(start, "NEREID", sizeof start) == 0;
    if (file)
        fclose(file);
    return ours;
}

static int open_source(source *from)
{
    const import_request *r = from->r;
    if (r->theta && r->x)
        return open_npy(from);
    from->name = r->file;
    if (!r->file)
        return fail(NRE_ECONFIG, "an import needs `file`, or `theta` and `x`");
    if (!file_exists(r->file))
        return fail(NRE_EDATA, "%s: no such file", r->file);
    return is_ours(r->file) ? open_own(from) : open_foreign(from);
}

/* Whole blocks, then into the shard at hand. */
static int copy_rows(source *from, shards *w, progress *watch)
{
    size_t rows = block_rows(from->s), d = simulator_n_theta(from->s),
           n_x = simulator_n_x(from->s);
    double *theta = memory_new(rows, d * sizeof *theta);
    float *x = memory_new(rows, n_x * sizeof *x);
    int status = theta && x ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu rows", rows);
    size_t filled = 0;
    for (uint64_t done = 0; status == NRE_OK && done < from->n;) {
        size_t some = from->n - done < rows ? (size_t)(from->n - done) : rows;
        status = from->rows(from, done, some, theta, x);
        if (status == NRE_OK)
            status = check_rows(from, done, some, theta, x);
        for (size_t i = 0; status == NRE_OK && i < some; i++) {
            memcpy(w->theta + filled * d, theta + i * d, d * sizeof *theta);
            memcpy(w->x + filled * n_x, x + i * n_x, n_x * sizeof *x);
            if (++filled == shards_rows_now(w)) {
                rows_drawn r = {.tally = {.rows = filled, .attempts = filled}};
                filled = 0;
                status = shards_write(w, &r);
            }
        }
        done += some;
        if (status == NRE_OK)
            status = progress_report(watch, "import", done, from->n, "simulations", NULL);
    }
    free(theta);
    free(x);
    return status;
}

int dataset_import(const simulator *s, const import_request *r, const dataset_plan *plan,
                   pool *p, progress *watch, tally *count)
{
    source from = {.s = s, .r = r, .close = NULL};
    shards w = {.s = NULL};
    (void)p;
    int status = open_source(&from);
    if (status == NRE_OK)
        status = shards_open(&w, s, plan, from.n, simulator_has_noise(s) && !r->noisy);
    if (status == NRE_OK)
        status = copy_rows(&from, &w, watch);
    if (status == NRE_OK)
        status = shards_finish(&w);
    if (status == NRE_OK && count)
        tally_add(count, &w.tally);
    if (from.close)
        from.close(&from);
    shards_close(&w);
    return status;
}
