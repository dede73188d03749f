-- A subject may see an experiment many times.
select
    experiment,
    subject_id,
    exposed_at
from bronze.experiment_exposures
