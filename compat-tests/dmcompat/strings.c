/* strverscmp(3) against glibc's, on many texts of few characters, where all rules meet. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ours goes by this name here. */
int ours_strverscmp(const char *, const char *);
char *dmcompat_strerror_r(int, char *, size_t);

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

int
main(void)
{
	static const char letters[] = "0019a.";
	char a[8], b[8], text[4];
	long n, i, wrong = 0;

	srandom(1);
	for (n = 0; n < 3000000; n++) {
		long a_length = random() % 7, b_length = random() % 7, same = random() % 4;

		for (i = 0; i < a_length; i++)
			a[i] = letters[random() % 6];
		for (i = 0; i < b_length; i++)
			b[i] = i < same && i < a_length ? a[i] : letters[random() % 6];
		a[a_length] = b[b_length] = '\0';
		if (sign(strverscmp(a, b)) != sign(ours_strverscmp(a, b)) && wrong++ < 20)
			printf("%s %s: glibc %d, ours %d\n", a, b, strverscmp(a, b), ours_strverscmp(a, b));
	}
	fflush(stdout);
	assert(wrong == 0);
	assert(dmcompat_strerror_r(2, text, sizeof text) == text && strlen(text) < sizeof text);
	puts("ok");
	return 0;
}
