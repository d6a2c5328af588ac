"""The REST service and its page. Runs from a checkout as `api`, from an installed wheel as `screening.api`."""
