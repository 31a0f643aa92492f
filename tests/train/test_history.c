/* loss.csv and the metrics of an epoch. */
#include "problem.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void two_epochs(const problem *p, train_state *s)
{
    cr_assert_eq(state_new(p->net, 5, false, s), 0);
    s->epoch = 2;
    s->history[0] = (epoch_record){1.5, 1.25, 1e-3};
    s->history[1] = (epoch_record){1.375, 1.125, 5e-4};
}

Test(history, is_a_table_without_times)
{
    problem p;
    train_state s;
    size_t n;
    problem_open(&p, 10, 10, 1);
    two_epochs(&p, &s);
    cr_assert_eq(history_save(&p.job, &s), 0);
    char *text = problem_file(p.folder, "loss.csv", &n);
    cr_assert_str_eq(text, "epoch,train_loss,validation_loss,learning_rate\n"
                           "1,1.5,1.25,0.001\n"
                           "2,1.375,1.125,0.0005\n");
    free(text);
    state_free(&s);
    problem_close(&p);
}

static void keep_line(void *context, const json_t *line)
{
    *(char **)context = json_dumps(line, JSON_COMPACT);
}

Test(history, tells_the_last_epoch)
{
    problem p;
    train_state s;
    char *line = NULL;
    problem_open(&p, 10, 10, 1);
    two_epochs(&p, &s);
    history_tell(&p.job, &s, 1000); /* nobody listens */
    p.job.metrics = keep_line;
    p.job.metrics_context = &line;
    p.settings.member = 3;
    history_tell(&p.job, &s, 1000);
    cr_assert_not_null(strstr(line,
                              "{\"target\":\"all\",\"member\":3,\"epoch\":2,"
                              "\"train_loss\":1.375,\"validation_loss\":1.125,\"lr\":"),
                       "%s", line);
    cr_assert_not_null(strstr(line, "\"pairs_per_s\":1000"), "%s", line);
    free(line);
    state_free(&s);
    problem_close(&p);
}
