"""The audits, one file each; a file's name is the audit's name (with `-` for `_`)."""
