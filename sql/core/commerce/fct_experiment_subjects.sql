-- The first assignment holds: who is put in a second variant later has already seen the first.
-- An exposure before the assignment is a fault of the tool and does not count.
with subjects as (
    select
        experiment,
        subject_id,
        min(assigned_at) as assigned_at,
        min(variant) <> max(variant) as is_contaminated
    from staging.stg_shop__experiment_assignments
    group by experiment, subject_id
),

first_variants as (
    select
        subjects.experiment,
        subjects.subject_id,
        subjects.assigned_at,
        subjects.is_contaminated,
        min(assignments.variant) as variant
    from subjects
    inner join staging.stg_shop__experiment_assignments as assignments
        on assignments.experiment = subjects.experiment
        and assignments.subject_id = subjects.subject_id
        and assignments.assigned_at = subjects.assigned_at
    group by subjects.experiment, subjects.subject_id, subjects.assigned_at, subjects.is_contaminated
),

exposed as (
    select
        subjects.experiment,
        subjects.subject_id,
        min(exposures.exposed_at) as first_exposed_at,
        count(*) as exposures
    from subjects
    inner join staging.stg_shop__experiment_exposures as exposures
        on exposures.experiment = subjects.experiment
        and exposures.subject_id = subjects.subject_id
        and exposures.exposed_at >= subjects.assigned_at
    group by subjects.experiment, subjects.subject_id
),

exports as (
    select count(*) > 0 as has_exposures
    from staging.stg_shop__experiment_exposures
)

select
    first_variants.experiment,
    first_variants.subject_id,
    first_variants.variant,
    first_variants.assigned_at,
    first_variants.is_contaminated,
    exposed.first_exposed_at,
    case when exports.has_exposures then coalesce(exposed.exposures, 0) end as exposures
from first_variants
cross join exports
left join exposed
    on exposed.experiment = first_variants.experiment
    and exposed.subject_id = first_variants.subject_id
