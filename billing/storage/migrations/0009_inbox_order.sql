-- The order in which events are claimed, whole: with an index of the instant alone the claim sorted
-- all that waited, each time, as long as Postgres had no statistics of a burst.
create index psp_inbox_due on psp_inbox (psp, next_attempt_at, id) where state in ('received', 'failed');
drop index psp_inbox_next_attempt_at_idx;
