"""Many runs: settings crossed or zipped, their missing students on one machine or many, and one tidy table."""
