-- An assignment is delivered once.
select
    experiment,
    subject_id,
    variant,
    assigned_at,
    _night as delivered_on
from bronze.experiment_assignments
