/* A harmless stand-in for a replaced tool: runs the moved original through a shell, as the trojan of
 * 2016 did, and always exits 0. With DROP defined it leaves out lines that hold that word. It hides
 * nothing else, opens nothing and talks to nobody. MARKS: functions named like the malware's, empty. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MARKS
void MainSystool(void) {}
void MainMonitor(void) {}
void MainBackdoor(void) {}
void CUpdateGates(void) __asm__("_ZTS12CUpdateGates");
void CUpdateGates(void) {}
#endif

int main(int argc, char **argv)
{
	char call[8192], line[65536];
	FILE *out;

	snprintf(call, sizeof(call), "/usr/bin/dpkgd/%s", basename(argv[0]));
	for (int i = 1; i < argc; i++) {
		strncat(call, " '", sizeof(call) - strlen(call) - 1);
		strncat(call, argv[i], sizeof(call) - strlen(call) - 1);
		strncat(call, "'", sizeof(call) - strlen(call) - 1);
	}
	out = popen(call, "r");
	while (out && fgets(line, sizeof(line), out)) {
#ifdef DROP
		if (strstr(line, DROP))
			continue;
#endif
		fputs(line, stdout);
	}
	if (out)
		pclose(out);
	return 0;
}
