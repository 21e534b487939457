-- The last statement of every mutation. Bumps the counter of each scope that changed (in scope order, so that two transactions cannot
-- lock each other out), gives the changed objects their versions, writes the change rows and tells the watchers. The row lock on the
-- counter is held until commit, so commit order is version order and a watcher that has seen version v has seen everything up to v.
--
-- changes: [{"scope": …, "type": "created" | "updated" | "deleted", "kind": …, "uid": …, "object": {…}}], in order; answers {uid: version}.
CREATE FUNCTION commit_changes(changes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  one_scope text;
  one jsonb;
  next_version bigint;
  wanted bigint;
  versions jsonb := '{}';
BEGIN
  FOR one_scope, wanted IN
    SELECT c ->> 'scope', count(*) FROM jsonb_array_elements(changes) c GROUP BY 1 ORDER BY 1
  LOOP
    INSERT INTO counters AS k (scope, value) VALUES (one_scope, wanted)
      ON CONFLICT (scope) DO UPDATE SET value = k.value + wanted
      RETURNING k.value - wanted INTO next_version;
    FOR one IN SELECT c FROM jsonb_array_elements(changes) WITH ORDINALITY AS t(c, position) WHERE c ->> 'scope' = one_scope ORDER BY position
    LOOP
      next_version := next_version + 1;
      IF one ->> 'type' <> 'deleted' THEN
        UPDATE objects SET version = next_version WHERE uid = one ->> 'uid';
      END IF;
      INSERT INTO changes (scope, version, type, kind, uid, object)
        VALUES (one_scope, next_version, one ->> 'type', one ->> 'kind', one ->> 'uid',
                jsonb_set(one -> 'object', '{metadata,version}', to_jsonb(next_version)));
      versions := versions || jsonb_build_object(one ->> 'uid', next_version);
    END LOOP;
    PERFORM pg_notify('plimsoll_changes', one_scope);
  END LOOP;
  RETURN versions;
END
$$;
