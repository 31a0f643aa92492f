/* Statuses and the sentences that go with them. */
#include "base/base.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

Test(status, fail_records_the_sentence)
{
    cr_assert_str_eq(error_message(), "");
    cr_assert_eq(fail(NRE_EIO, "%s: row %d", "a.csv", 7), NRE_EIO);
    cr_assert_str_eq(error_message(), "a.csv: row 7");
}

Test(status, fail_within_puts_the_place_before)
{
    fail(NRE_ENUMERIC, "log ratio is nan");
    cr_assert_eq(fail_within(NRE_ENUMERIC, "cell %d", 3), NRE_ENUMERIC);
    cr_assert_str_eq(error_message(), "cell 3: log ratio is nan");
    fail_within(NRE_EIO, "sweep");
    cr_assert_str_eq(error_message(), "sweep: cell 3: log ratio is nan");
}

Test(status, old_sentence_may_be_an_argument)
{
    fail(NRE_EIO, "disk full");
    fail(NRE_EIO, "cannot save (%s), %s again", error_message(), error_message());
    cr_assert_str_eq(error_message(), "cannot save (disk full), disk full again");
    error_set(error_message());
    cr_assert_str_eq(error_message(), "cannot save (disk full), disk full again");
}

Test(status, long_sentences_are_cut)
{
    static char text[3 * ERROR_LENGTH];

    memset(text, 'x', sizeof text - 1);
    fail(NRE_EIO, "%s", text);
    cr_assert_eq(strlen(error_message()), ERROR_LENGTH - 1);
    fail_within(NRE_EIO, "here");
    cr_assert_eq(strlen(error_message()), ERROR_LENGTH - 1);
    cr_assert_eq(strncmp(error_message(), "here: xxx", 9), 0);
    fail_within(NRE_EIO, "%s", text);
    cr_assert_eq(strlen(error_message()), ERROR_LENGTH - 1);
}

static void *fail_elsewhere(void *seen)
{
    *(bool *)seen = error_message()[0] == '\0';
    fail(NRE_EIO, "elsewhere");
    return NULL;
}

Test(status, each_thread_has_its_own)
{
    pthread_t thread;
    bool clean = false;

    fail(NRE_EIO, "here");
    cr_assert_eq(pthread_create(&thread, NULL, fail_elsewhere, &clean), 0);
    pthread_join(thread, NULL);
    cr_assert(clean);
    cr_assert_str_eq(error_message(), "here");
}

Test(status, exit_codes_and_words)
{
    static const struct {
        int status, code;
    } codes[] = {{NRE_OK, 0},          {NRE_EUSAGE, 2},   {NRE_ECONFIG, 3},
                 {NRE_EPLUGIN, 4},     {NRE_EDATA, 5},    {NRE_EIO, 5},
                 {NRE_EFORMAT, 5},     {NRE_ENUMERIC, 6}, {NRE_EGATE, 7},
                 {NRE_EPARTIAL, 8},    {NRE_EEXISTS, 9},  {NRE_ELOCKED, 10},
                 {NRE_ECANCELLED, 75}, {NRE_EINVAL, 1},   {NRE_ENOMEM, 1},
                 {NRE_EINTERNAL, 1},   {NRE_ENOTSUP, 1},  {NRE_EABI, 1}};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        cr_assert_eq(exit_code_of(codes[i].status), codes[i].code);
        cr_assert_str_neq(status_text(codes[i].status), status_text(-1000));
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(status_text(codes[i].status), status_text(codes[j].status));
    }
    cr_assert_eq(exit_code_of(-1000), 1);
}

Test(status, a_bug_aborts, .signal = SIGABRT)
{
    bug_if(1 + 1 == 3);
    bug_if(1 + 1 == 2);
}
