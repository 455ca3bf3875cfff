"""Where evidence comes from: one descriptor per source, in one explicit tuple (`catalogue`)."""
