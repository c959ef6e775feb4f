/* Included before every file where CMake is told HALFLIFE_GLIBC_2_28=ON: the library then loads under glibc 2.28 too,
   although it is built beside a newer one. glibc 2.29 gave pow a second version, which differs in how it sets errno and
   in nothing that is used here; both run the same code. It is the only symbol of the library that is newer than 2.28. */
#if defined(__linux__) && defined(__x86_64__)
__asm__(".symver pow, pow@GLIBC_2.2.5");
#endif
