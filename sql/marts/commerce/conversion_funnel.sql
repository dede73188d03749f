-- A visitor who reached a step has passed those before it, whether or not the tool caught them, so the
-- funnel never widens. A visit is a session of the export: events of any other session are not of a visitor.
-- An event counts from the day before its session began to the day after: a tool that goes on using a session's
-- id has lost the visitor.
with session_steps as (
    select
        session_id,
        occurred_on,
        max(funnel_step) as step
    from core.fct_page_events
    where funnel_step >= 2
        and occurred_at >= $window_start - interval '1' day
        and occurred_at < $window_end + interval '1' day
    group by session_id, occurred_on
),

visitors as (
    select
        sessions.started_on as day,
        coalesce(sessions.channel, 'unknown') as channel,
        coalesce(sessions.visitor_id, sessions.session_id) as visitor_id,
        max(session_steps.step) as step
    from core.fct_sessions as sessions
    left join session_steps
        on session_steps.session_id = sessions.session_id
        and session_steps.occurred_on >= sessions.started_on - 1
        and session_steps.occurred_on <= sessions.started_on + 1
    where sessions.started_at >= $window_start and sessions.started_at < $window_end
    group by
        sessions.started_on, coalesce(sessions.channel, 'unknown'),
        coalesce(sessions.visitor_id, sessions.session_id)
),

days as (
    select
        day,
        channel,
        count(*) as visits,
        sum(case when step >= 2 then 1 else 0 end) as product_views,
        sum(case when step >= 3 then 1 else 0 end) as carts,
        sum(case when step >= 4 then 1 else 0 end) as checkouts,
        sum(case when step >= 5 then 1 else 0 end) as purchases
    from visitors
    group by day, channel
),

steps as (
    select
        days.day,
        days.channel,
        steps.step_number,
        steps.step,
        days.visits,
        case
            when steps.step_number = 1 then days.visits
            when not exports.has_funnel_events then null
            when steps.step_number = 2 then days.product_views
            when steps.step_number = 3 then days.carts
            when steps.step_number = 4 then days.checkouts
            else days.purchases
        end as users
    from days
    cross join core.int_exports as exports
    cross join (
        values (1, 'visit'), (2, 'product_view'), (3, 'cart'), (4, 'checkout'), (5, 'purchase')
    ) as steps (step_number, step)
),

compared as (
    select
        day,
        channel,
        step_number,
        step,
        visits,
        users,
        lag(users) over (partition by day, channel order by step_number nulls last) as previous_users
    from steps
)

select
    day,
    channel,
    cast(step_number as integer) as step_number,
    step,
    cast(users as bigint) as users,
    cast(previous_users - users as bigint) as drop_off_users,
    cast(users as double) / nullif(cast(previous_users as double), 0) as step_rate,
    cast(users as double) / nullif(cast(visits as double), 0) as overall_rate
from compared
