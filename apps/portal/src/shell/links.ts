/** Addresses of the portal's pages: the one place that knows them. */
export const to = {
  home: () => "/",
  account: () => "/account",
  hostDisks: () => "/hosts/disk",
  disk: (team: string, namespace: string) => `/${team}/${namespace}/disk`,
  images: (team: string, namespace: string) => `/${team}/${namespace}/images`,
  registries: (team: string, namespace: string) => `/${team}/${namespace}/registries`,
  quota: (team: string, namespace?: string) => `/${team}/quota${namespace === undefined ? "" : `?namespace=${namespace}`}`,
  namespace: (team: string, namespace: string) => `/${team}/${namespace}`,
  app: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}`,
  deployments: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/deployments`,
  deployment: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/deployments/${name}`,
  build: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/builds/${name}`,
  instance: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/instances/${name}`,
  repository: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/repository`,
  appSettings: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/settings`,
};
