/* sanitized.h - what a sanitizer looks for, mistakes with memory, shows in a few rows: tests whose
 * many rows only sharpen numbers take fewer of them, or are left to the plain build. */
#ifndef TEST_SANITIZED_H
#define TEST_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
