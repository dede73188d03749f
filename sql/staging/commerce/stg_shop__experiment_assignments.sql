-- An assignment is delivered once.
select
    experiment,
    subject_id,
    variant,
    assigned_at
from bronze.experiment_assignments
