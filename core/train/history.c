/* history.c - the course of training: loss.csv, a line of metrics, a line of progress. */
#include "train/train.h"

#include <inttypes.h>
#include <stdlib.h>

static int write_rows(FILE *out, const train_state *s)
{
    fprintf(out, "epoch,train_loss,validation_loss,learning_rate\n");
    for (uint64_t i = 0; i < s->epoch; i++) {
        const epoch_record *r = &s->history[i];
        fprintf(out, "%" PRIu64 ",%.12g,%.12g,%.12g\n", i + 1, r->train_loss,
                r->validation_loss, r->lr);
    }
    return ferror(out);
}

int history_save(const train_job *job, const train_state *s)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    arena *a = arena_new();
    char *path = a ? path_join(a, job->folder, "loss.csv") : NULL;
    int broken = !out || !path || write_rows(out, s);
    if (out)
        broken |= fclose(out);
    int status =
        broken ? fail(NRE_ENOMEM, "no memory for loss.csv") : file_write(path, text, n);
    free(text);
    arena_free(a);
    return status;
}

void history_tell(const train_job *job, const train_state *s, double pairs_per_second)
{
    const epoch_record *r = &s->history[s->epoch - 1];
    if (!job->metrics)
        return;
    json_t *line = json_object();
    json_object_set_new(line, "target", json_string(job->target->name));
    json_object_set_new(line, "member", json_integer((json_int_t)job->settings->member));
    json_object_set_new(line, "epoch", json_integer((json_int_t)s->epoch));
    json_object_set_new(line, "train_loss", json_number(r->train_loss));
    json_object_set_new(line, "validation_loss", json_number(r->validation_loss));
    json_object_set_new(line, "lr", json_number(r->lr));
    json_object_set_new(line, "pairs_per_s", json_number(pairs_per_second));
    job->metrics(job->metrics_context, line);
    json_decref(line);
}
