# Shortens "go test -v" to what a reader wants: one line for each package that
# passed, with the broker that its tests chose, everything that a failed package
# said, and in the end how many tests ran. Nothing skips unseen.

/^=== (RUN|PAUSE|CONT|NAME)/ { next }
/^ *--- PASS: /              { passed++; next }
/^ *--- SKIP: /              { skipped[++skips] = $3 }
/^ *--- FAIL: /              { failed++ }
/^brokertest: [A-Za-z]+ is /  { brokers = brokers "     " $0 "\n" }

/^ok / {
	packages++
	print
	printf "%s", brokers
	forget()
	next
}

/^(\?|FAIL)[ \t]/ {
	if ($1 == "FAIL") {
		printf "%s", said
		print
	}
	forget()
	next
}

{ said = said $0 "\n" }

function forget() {
	said = brokers = ""
	fflush()
}

END {
	printf "%s", said
	for (i = 1; i <= skips; i++) {
		print "skipped: " skipped[i]
	}
	printf "%s: %d tests passed, %d failed, %d skipped, in %d passing packages\n",
		module == "." ? "journeyman" : module, passed, failed, skips, packages
}
