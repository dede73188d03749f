-- A subject may see an experiment many times.
select
    experiment,
    subject_id,
    exposed_at,
    _night as delivered_on
from bronze.experiment_exposures
