/* Progress: one redrawn line on a terminal, one plain line an interval elsewhere, and a
 * heartbeat in progress.json. */
#include "run/run.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SECONDS = 30, HEARTBEAT_SECONDS = 2 };

struct watch {
    progress progress; /* first: &w->progress is what the core reports to */
    pthread_mutex_t mutex;
    progress_style style;
    const char *folder;
    char what[128];              /* the job being watched */
    char units[32], detail[128]; /* what it last said; detail "": nothing */
    uint64_t done, total;
    double started, drawn,
        beat;      /* seconds; of the job, the last line, the last heartbeat */
    uint64_t from; /* what was done when the job was first heard of */
    bool open;     /* a bar stands on the line */
};

/* For the log's hooks, which know no watch: there is one terminal. */
static watch *on_terminal;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

static void time_text(double seconds, char out[32])
{
    long s = seconds < 1e7 ? lround(seconds) : 9999999;
    if (s >= 3600)
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%02ld:%02ld", s / 60, s % 60);
}

static void rate_text(double rate, char out[32])
{
    if (rate >= 1e6)
        snprintf(out, 32, "%.1fM", rate / 1e6);
    else if (rate >= 1e4)
        snprintf(out, 32, "%.0fk", rate / 1e3);
    else
        snprintf(out, 32, rate < 10 ? "%.1f" : "%.0f", rate);
}

/* "train all | 12/30 epochs | validation 1.28 | 41k/s | 00:40 left" */
static void line_text(const watch *w, char *out, size_t n)
{
    double spent = now() - w->started;
    double rate = spent > 0 ? (double)(w->done - w->from) / spent : 0;
    char rate_of[32], left[32] = "--:--";
    rate_text(rate, rate_of);
    if (rate > 0)
        time_text((double)(w->total - w->done) / rate, left);
    snprintf(out, n, "%s | %llu/%llu %s%s%s | %s/s | %s left", w->what,
             (unsigned long long)w->done, (unsigned long long)w->total, w->units,
             w->detail[0] ? " | " : "", w->detail, rate_of, left);
}

static void heartbeat(watch *w)
{
    char path[4096];
    if (!w->folder)
        return;
    w->beat = now();
    snprintf(path, sizeof path, "%s/progress.json", w->folder);
    json_t *j = json_pack("{s:s, s:I, s:I, s:s, s:s, s:i, s:I}", "what", w->what, "done",
                          (json_int_t)w->done, "total", (json_int_t)w->total, "unit",
                          w->units, "detail", w->detail, "pid", (int)getpid(), "time",
                          (json_int_t)time(NULL));
    if (j && json_save(path, j))
        error_set(""); /* a heartbeat that fails must not stop the work */
    json_decref(j);
}

static void draw_bar(watch *w, const char *text, bool last)
{
    int width = terminal_width() - 1;
    fprintf(stderr, "\r%-*.*s%s", width, width, text, last ? "\n" : "");
    fflush(stderr);
    w->open = !last;
}

static void end_bar(void)
{
    if (on_terminal && on_terminal->open) {
        fprintf(stderr, "\r%*s\r", terminal_width() - 1, "");
        on_terminal->open = false;
    }
}

/* Whether it is time for a line: bars ten times a second, lines by the half minute. */
static bool is_due(const watch *w, bool last)
{
    if (w->style == PROGRESS_BAR)
        return last || now() - w->drawn >= 0.1;
    return w->style == PROGRESS_LINES && now() - w->drawn >= LINE_SECONDS;
}

static void remember(watch *w, const char *what, uint64_t done, uint64_t total,
                     const char *units, const char *detail)
{
    if (strncmp(w->what, what, sizeof w->what - 1) != 0) {
        snprintf(w->what, sizeof w->what, "%s", what);
        w->started = now();
        w->drawn = w->style == PROGRESS_BAR ? 0 : now();
        w->from = done;
    }
    w->done = done;
    w->total = total > done ? total : done;
    snprintf(w->units, sizeof w->units, "%s", units);
    snprintf(w->detail, sizeof w->detail, "%s", detail ? detail : "");
}

static void watch_report(progress *self, const char *what, uint64_t done, uint64_t total,
                         const char *units, const char *detail)
{
    watch *w = (watch *)self;
    pthread_mutex_lock(&w->mutex);
    remember(w, what, done, total, units, detail);
    bool last = done >= total;
    if (is_due(w, last)) {
        char text[512];
        line_text(w, text, sizeof text);
        if (w->style == PROGRESS_BAR)
            draw_bar(w, text, last);
        else
            log_say(NRE_INFO, "%s", text);
        w->drawn = now();
    }
    if (now() - w->beat >= HEARTBEAT_SECONDS)
        heartbeat(w);
    pthread_mutex_unlock(&w->mutex);
}

watch *watch_new(progress_style style)
{
    watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    if (style == PROGRESS_AUTO)
        style = isatty(STDERR_FILENO) ? PROGRESS_BAR : PROGRESS_LINES;
    w->progress.report = watch_report;
    w->style = style;
    pthread_mutex_init(&w->mutex, NULL);
    if (style == PROGRESS_BAR) {
        on_terminal = w;
        log_around(end_bar, NULL);
    }
    return w;
}

void watch_free(watch *w)
{
    if (!w)
        return;
    if (on_terminal == w) {
        end_bar();
        log_around(NULL, NULL);
        on_terminal = NULL;
    }
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

progress *watch_progress(watch *w)
{
    return w ? &w->progress : NULL;
}

void watch_folder(watch *w, const char *path)
{
    if (w && w->what[0])
        heartbeat(w); /* the last state of what was watched so far */
    if (w)
        w->folder = path;
}

void watch_quiet(watch *w)
{
    if (w && w == on_terminal)
        end_bar();
}
