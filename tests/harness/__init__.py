"""What the tests that start pytrace as a process have in common; see CONTRIBUTING.md, "Tests"."""
